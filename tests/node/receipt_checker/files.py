"""Files as a browser gives them to a page: some cannot be read, some only later.

Owns the script that drops one; both pages of the checker are driven with it."""

from base64 import b64encode
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.async_api import Page

Reading = Literal["whole", "later", "fails"]
_DROP = """([where, name, text, reading]) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const file = new File([bytes], name);
  const read = () => reading === "fails"
    ? Promise.reject(new DOMException("gone", "NotReadableError"))
    : new Promise((done) => { window.release = () => done(bytes.buffer); });
  if (reading !== "whole") {
    file.arrayBuffer = read;
    file.slice = () => {
      const part = new Blob([bytes]);
      part.arrayBuffer = read;
      return part;
    };
  }
  const event = new DragEvent("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { files: [file] } });
  document.querySelector(where).dispatchEvent(event);
}"""


async def drop(
    page: "Page", where: str, name: str, text: bytes, reading: Reading = "whole"
) -> None:
    """Drop a file; one that is read later waits for `release`."""
    await page.evaluate(_DROP, [where, name, b64encode(text).decode(), reading])


async def release(page: "Page") -> None:
    """Let the newest file that is read later be read, and what follows of it happen."""
    await page.evaluate("() => window.release()")
    # Whatever it begins ends before the same work that is begun after it.
    await page.evaluate(
        """async () => {
          for (let at = 0; at < 50; at += 1) {
            await crypto.subtle.digest("SHA-256", new Uint8Array(1));
            await new Promise((done) => setTimeout(done));
          }
        }"""
    )
