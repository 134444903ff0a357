// What is drawn again and again while its view is open, and the words where that fails.

import { fill, problem } from "./dom.js";

export function repeat(draw, trouble, everyMs) {
  const timer = setInterval(() => {
    if (document.hidden) return;
    draw().then(
      () => fill(trouble),
      (error) => fill(trouble, problem(`What stands here is old: ${error.message}`)),
    );
  }, everyMs);
  return () => clearInterval(timer);
}
