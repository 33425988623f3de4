// The front-end module: one page, three hosts. anywidget calls `render({ model, el })`; the served page and the offline
// file make a model of their own and do the same.

import { App } from "./app.js";

/**
 * Show the page in an element.
 * @param {{model: any, el: HTMLElement}} given `model` holds scene, state and result, and carries questions to Python
 * @returns {() => void} ends it
 */
function render({ model, el }) {
  /** @type {Map<number, (reply: any) => void>} */ const waiting = new Map();
  let number = 0, telling = false;
  const heard = (/** @type {any} */ reply) => {
    waiting.get(reply?.id)?.(reply);
    waiting.delete(reply?.id);
  };
  const ask = (/** @type {any} */ message) =>
    new Promise((done) => {
      waiting.set(++number, done);
      model.send({ id: number, ...message });
    });
  const scene = model.get("scene"), linked = Boolean(model.get("linked"));
  const app = new App(el, {
    scene, linked, ask: model.get("asks") === false ? null : ask, show: model.get("show") || "", state: model.get("state") || null,
    language: model.get("language") || (/^vi\b/i.test(navigator.language) ? "vi" : "en"),
    tell: (state, result) => {
      telling = true; // what is set here comes back as a change, which is no news
      model.set("state", state);
      model.set("result", result);
      model.save_changes();
      telling = false;
    },
  });
  const changed = () => !telling && app.take(model.get("state"));
  const other = () => app.other(model.get("scene"));
  model.on("msg:custom", heard);
  model.on("change:state", changed);
  model.on("change:scene", other);
  return () => {
    model.off("msg:custom", heard);
    model.off("change:state", changed);
    model.off("change:scene", other);
    app.close();
  };
}

export default { render };

/** The model of a page without Python. @param {any} scene */
export function offline(scene) {
  return modelOf({ scene, ...ofPage(scene), asks: false }, () => undefined);
}

/** The model of the page that layda serves. @param {any} scene */
export function served(scene) {
  const model = modelOf({ scene, ...ofPage(scene) }, async (message) => {
    let reply;
    try {
      const answer = await fetch("/api/ask", { method: "POST", headers: { "Content-Type": "application/json", "X-Layda": "1" }, body: JSON.stringify(message) });
      reply = await answer.json();
    } catch {
      reply = { error: { message: "layda does not answer; is it still running?", own: true, position: -1, length: 0 } };
    }
    model.hear({ ...reply, id: message.id });
  });
  return model;
}

/** What a page of its own adds: its address holds the state, and says which panels to show. @param {any} scene */
const ofPage = (scene) => ({ linked: true, language: scene.language, show: new URLSearchParams(location.search).get("show") ?? "" });

/** What anywidget gives, for pages that have none. @param {Record<string, any>} values @param {(message: any) => void} send */
function modelOf(values, send) {
  /** @type {((reply: any) => void)[]} */ let listeners = [];
  return {
    get: (/** @type {string} */ name) => values[name],
    set: (/** @type {string} */ name, /** @type {any} */ value) => void (values[name] = value),
    save_changes: () => undefined,
    send,
    on: (/** @type {string} */ name, /** @type {any} */ act) => void (name === "msg:custom" && listeners.push(act)),
    off: (/** @type {string} */ _, /** @type {any} */ act) => void (listeners = listeners.filter((one) => one !== act)),
    hear: (/** @type {any} */ reply) => listeners.forEach((act) => act(reply)),
  };
}
