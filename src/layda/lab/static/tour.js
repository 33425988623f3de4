// The guided tour: the lecture's chapters, each one click.

import { h } from "./dom.js";

/** @param {any} app @returns {import("./controls.js").Part} */
export function tour(app) {
  const { say, scene, state } = app, chapters = scene.tour[state.language] ?? scene.tour.en, number = state.chapter;
  const go = (/** @type {number} */ next) => app.chapter(next);
  const buttons = chapters.map((/** @type {any} */ chapter, /** @type {number} */ k) =>
    h("button", { id: app.id(`chapter-${k + 1}`), class: "chapter", "aria-pressed": String(number === k + 1), "aria-label": say("Chapter {number}", { number: k + 1 }) + `: ${chapter.title}`, title: chapter.title, onclick: () => go(k + 1) }, String(k + 1)));
  const chapter = chapters[number - 1];
  const body = chapter
    ? [
        h("h3", null, chapter.title),
        h("p", null, chapter.look),
        h("p", null, h("b", null, say("Try"), ": "), chapter.try),
        h("ul", { class: "settings" }, ...chapter.settings.map((/** @type {any} */ one, /** @type {number} */ k) =>
          h("li", null, h("button", { id: app.id(`setting-${k}`), class: one.good ? "good" : "bad", onclick: () => app.settle(one.state, number) }, h("span", { "aria-hidden": "true" }, one.good ? "✓ " : "✗ "), one.name), h("span", null, ` ${one.says}`)))),
        h("details", null, h("summary", null, h("b", null, say("Question"), ": "), chapter.question), h("p", null, chapter.answer)),
        h("div", { class: "row" },
          h("button", { id: app.id("tour-back"), disabled: number === 1, onclick: () => go(number - 1) }, say("Back")),
          h("button", { id: app.id("tour-next"), disabled: number === chapters.length, onclick: () => go(number + 1) }, say("Next")),
          h("button", { class: "plain", onclick: () => app.edit((/** @type {any} */ next) => (next.chapter = 0)) }, say("End the tour"))),
      ]
    : [h("p", { class: "soft" }, say("The lecture in nine chapters: what to look at, what to try, and the question before the answer."))];
  const element = h("section", { class: "panel tour", "data-panel": "tour" }, h("h2", null, say("Guided tour")), h("div", { class: "row chapters", role: "group", "aria-label": say("Chapters") }, ...buttons), ...body);
  return { element, refresh: () => undefined };
}
