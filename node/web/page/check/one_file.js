// The checker as a page of its own: what `strongroom verify page` makes begins here.

import { checkView } from "./check_view.js";

const note = "This page came from whoever gave you the file; compare its SHA-256.";
document.getElementById("checker").append(checkView({ note }).element);
