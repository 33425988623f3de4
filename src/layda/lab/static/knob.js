// A handle that is dragged, tapped and moved with the arrow keys.

import { h } from "./dom.js";

/**
 * A handle over a canvas. Pointers anywhere on the canvas drag it; a finger drags it at the handle and taps elsewhere, so
 * that the page can still be scrolled.
 * @param {HTMLCanvasElement} canvas
 * @param {{label: string, to: (x: number, y: number, done: boolean) => void, by: (across: number, up: number) => void, key?: (event: KeyboardEvent) => boolean}} options
 *   `to`: a pixel of the canvas; `by`: steps of the arrow keys, ten times as many with Shift
 */
export function knob(canvas, { label, to, by, key }) {
  const handle = h("div", { class: "knob", tabindex: 0, role: "slider", "aria-label": label, "aria-valuenow": 0 });
  const moved = (/** @type {PointerEvent} */ event, done = false) => {
    const box = canvas.getBoundingClientRect();
    to(event.clientX - box.left, event.clientY - box.top, done);
  };
  /** @param {HTMLElement} element @param {boolean} touch */
  const drags = (element, touch) => {
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || (event.pointerType === "touch" && !touch)) return;
      event.preventDefault();
      handle.focus({ preventScroll: true });
      element.setPointerCapture(event.pointerId);
      moved(event);
      const move = (/** @type {PointerEvent} */ next) => moved(next);
      const up = (/** @type {PointerEvent} */ last) => {
        element.removeEventListener("pointermove", move);
        if (last.type === "pointerup") moved(last, true);
      };
      element.addEventListener("pointermove", move);
      element.addEventListener("pointerup", up, { once: true });
      element.addEventListener("pointercancel", up, { once: true });
    });
  };
  drags(canvas, false);
  drags(handle, true);
  canvas.addEventListener("click", (event) => {
    if (/** @type {PointerEvent} */ (event).pointerType === "touch") moved(/** @type {PointerEvent} */ (event), true);
  });
  handle.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const size = event.shiftKey ? 10 : 1;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step) by(step[0] * size, step[1] * size);
    else if (!key?.(event)) return;
    event.preventDefault();
  });
  return handle;
}

/** Put a handle where it belongs, and say so. @param {HTMLElement} handle @param {number} x @param {number} y @param {number} now @param {string} text */
export function placed(handle, x, y, now, text) {
  handle.style.transform = `translate(${x}px, ${y}px)`;
  handle.setAttribute("aria-valuenow", String(Number.isFinite(now) ? now : 0));
  handle.setAttribute("aria-valuetext", text);
}
