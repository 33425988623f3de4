"""The page's modules become one script, and the whole page one document that asks nobody for anything."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import layda
from layda.errors import SettingError, SpecError, UnknownNameError
from layda.lab import hosts
from layda.lab.hosts import export, first_scene, state_of
from layda.lab.javascript import declared, shortened, tokens
from layda.lab.page import STATIC, document, minified, script, style
from layda.lab.scene import dumps
from layda.objective import TracedObjective
from tests.lab.pages import browsed, needs_chromium, needs_page, small_page


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder


def test_modules_are_joined_in_the_order_of_their_needs(tmp_path: Path) -> None:
    text = script(small_page(tmp_path))
    assert not re.search(r"^import", text, re.MULTILINE)
    places = [text.index(part) for part in ("const ONE", "function shown", "const figures = Object", "async function")]
    assert places == sorted(places)
    assert text.count("const ONE") == 1
    assert "const figures = Object.freeze({ ONE, TWO, half });" in text
    assert re.findall(r"^export.*", text, re.MULTILINE) == ["export default { render };", "export { offline, served };"]


def test_a_whole_module_may_be_named_by_several(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        lab='import * as all from "./a.js";\nimport { b } from "./b.js";\nexport const c = b + all.one;\n',
        a="export const one = 1;\n",
        b='import * as all from "./a.js";\nexport const b = all.one;\n',
    )
    assert script(folder).count("Object.freeze") == 1


@pytest.mark.parametrize(
    ("modules", "part"),
    [
        ({"lab": 'import { a } from "./a.js";\nconst same = 1;', "a": "const same = 2;\nexport const a = 1;"},
         "a.js and lab.js both declare same"),
        ({"lab": 'import { a } from "./a.js";\nimport { b } from "./b.js";', "a": "class A {}\nexport const a = 1;",
          "b": "function A() {}\nexport const b = 1;"}, "a.js and b.js both declare A"),
        ({"lab": 'import * as b from "./a.js";\nconst b = 1;', "a": "export const a = 1;"}, "both declare b"),
        ({"lab": 'import { missing } from "./a.js";', "a": "export const a = 1;"}, "imports missing, which a.js"),
        ({"lab": 'import { a } from "./none.js";'}, "none.js, which lab.js imports, is missing"),
        ({"lab": 'import { a } from "./a.js";', "a": 'import { b } from "./b.js";\nexport const a = 1;',
          "b": 'import { a } from "./a.js";\nexport const b = 1;'}, "a.js → b.js → a.js"),
        ({"lab": 'import { a as b } from "./a.js";'}, "lab.js, line 1: .* cannot be joined"),
        ({"lab": 'import a from "./a.js";'}, "cannot be joined"),
        ({"lab": 'import "./a.js";'}, "cannot be joined"),
        ({"lab": 'import {\n  a } from "./a.js";'}, "cannot be joined"),
        ({"lab": 'export * from "./a.js";'}, "cannot be joined"),
        ({"lab": 'import { a } from "./a.js";', "a": "export default { a };"}, "a.js has a default export"),
        ({"lab": "const { a } = b;"}, "takes values apart"),
        ({"lab": "const a = 'b;\n"}, "line 1 of the JavaScript begins a text"),
        ({"lab": "const a = `b;\n"}, "line 1 of the JavaScript begins a template"),
        ({"other": ""}, "lab.js is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_named(tmp_path: Path, modules: dict[str, str], part: str) -> None:
    with pytest.raises(SpecError, match=part):
        script(write(tmp_path, **modules))


def test_the_tokens_are_the_program() -> None:
    for path in STATIC.glob("*.js"):
        source = path.read_text(encoding="utf-8")
        assert "".join(token.text for token in tokens(source)) == source


def test_names_at_the_top_are_found() -> None:
    source = "x = class i {}; export async function a() {} class B { c() { const d = 1; } }\nlet e = (f) => f, g = [h];"
    assert [name for name, _ in declared(source)] == ["a", "B", "e", "g"]


PROGRAMS = {
    "comments": "/* a */ log(1) // b\nlog('//', \"/*\", `/* ${'// ' + 1 /* in */} */`)",
    "divisions": "const a = 8, b = 2; log(a / b / 2, a /b/ 1, (a) / 2, [a][0] / 2)",
    "expressions": "log(/[/\"'`]+/g.test('a\"b'), 'a/b'.split(/\\//), [/=/, /\\]/].length, (x => /x/.test(x))('x'))",
    "signs": "let a = 1, b = 2; log(a + +b, a - -b, a+ ++b, a++ + b, - -a, !-a, a - --b, a < !--b, b-- > a)",
    "lines": "const f = () => {\n  let a = 1\n  a++\n  ++a\n  return a\n}\nlog(f())\nlog((() => { return\n1 })())",
    "numbers": "log(1 .toString(), 1..toFixed(1), 0x1f, 1e-3 + .5, 1_000, 12n)",
    "templates": "const t = (s, ...v) => s.raw.join('|') + v; log(t`a ${`b ${1}`}\\n  c`, `\n  x  \n`)",
    "classes": "class A { #p = 1; static q = 2\n get r() { return this.#p in {} || #p in this }\n}\nlog(new A().r)",
    "labels": "o: for (const x of [1, 2]) { for (;;) { continue o } }\nlog(typeof /a/ , void 0, 'in' in {in: 1})",
    "elements": "log('</script><!-- <script>', `</SCRIPT>`)",
}


_RUN = """(source) => new Promise((done, fail) => {
  const said = [], script = document.createElement("script");
  window.log = (...values) => said.push(JSON.stringify(values.map(String)));
  window.finished = () => done(said.join("\\n"));
  addEventListener("error", (fault) => fail(new Error(fault.message)), { once: true });
  script.type = "module";
  script.textContent = `${source}\\nfinished();`;
  document.head.append(script);
})"""


@contextmanager
def speaking() -> Iterator[Callable[[str], str]]:
    """What a program logs when Chromium runs it as a module."""
    with browsed("http://lab.test/", {"http://lab.test/": "<!doctype html><title>programs</title>"}) as seen:
        yield lambda source: str(seen.page.evaluate(_RUN, source))


@needs_chromium
def test_shortened_programs_do_the_same() -> None:
    with speaking() as spoken:
        for name, program in PROGRAMS.items():
            short = shortened(program)
            assert spoken(short) == spoken(program) != "", name
            assert len(short) <= len(program), name
            assert shortened(short) == short, name


@needs_chromium
def test_the_shortened_engine_runs_with_the_bits_of_python(tmp_path: Path) -> None:
    for path in STATIC.glob("*.js"):
        shutil.copy(path, tmp_path)
    write(tmp_path, lab='import { Engine } from "./engine.js";\nexport default { Engine };\n')
    scene, _ = first_scene("rastrigin")
    program = (
        f"const scene = {dumps(scene)};\n{minified(tmp_path).replace('export default', 'const lab =')}\n"
        "const engine = new lab.Engine(scene), objective = scene.objectives[0];\n"
        "const way = { rule: 'adam', word: '', numbers: {} };\n"
        "const path = engine.path(objective, way, objective.start, 200);\n"
        "window.log(...path.positions.slice(-2), engine.verdict(objective, way, path).kind);\n"
    )
    run = layda.descend("rastrigin", "adam", steps=200)
    with speaking() as spoken:
        *place, kind = json.loads(spoken(program))
    assert [float(x) for x in place] == run.positions[-1].tolist()
    assert kind == run.verdict.kind


def test_a_document_holds_whatever_a_scene_holds(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script><!-- \ud800 \u2028 &amp;"
    text = document({"objectives": [{"name": name}], "high": float("inf")}, folder=small_page(tmp_path))
    text.encode()
    found = re.search(r'<script type="application/json" id="scene">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == {"objectives": [{"name": name}], "high": "Infinity"}
    assert text.count("</script>") == 2
    assert "</style" not in text.partition("</style>")[2]


def test_a_document_speaks_a_language(tmp_path: Path) -> None:
    folder = small_page(tmp_path)
    assert '<html lang="vi">' in document({}, language="vi", folder=folder)
    assert '"language":"vi"' in document({}, language="vi", folder=folder)
    assert '<html lang="en">' in document({}, folder=folder)
    with pytest.raises(UnknownNameError, match="is not spoken here"):
        document({}, language="tlh", folder=folder)


@needs_chromium
def test_the_document_opens_from_disk_and_asks_for_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = document({"objectives": [{"name": "him</script>mel"}]}, folder=small_page(tmp_path))
    page.write_text(text, encoding="utf-8")
    with browsed(page.as_uri()) as seen:
        seen.page.wait_for_selector("#lab:not(:empty)")
        assert seen.page.inner_text("#lab") == "him<script>mel!2 2.5"
        assert seen.page.get_attribute("#lab", "title") == "a  // no comment, </script> 1  </script> 2"
        assert seen.page.evaluate("getComputedStyle(document.getElementById('lab')).color") == "rgb(1, 2, 3)"
        assert seen.page.evaluate(
            "fetch('http://127.0.0.1:1/').then(() => 'sent', (fault) => fault.name)"
        ) == "TypeError"  # fmt: skip
        assert [place for place in seen.asked if not place.startswith("data:")] == [page.as_uri()]
        said = [line for line in seen.said if "http://127.0.0.1:1/" not in line and "Fetch API" not in line]
        assert not said


@needs_page
def test_the_real_page_is_small() -> None:
    """Shortened without renaming; a minifier that also renames makes a third less of it."""
    assert len(minified().encode()) + len(style().encode()) < 150 * 1024
    assert len(gzip.compress(minified().encode())) < 44 * 1024


@needs_chromium
@needs_page
def test_the_real_page_opens_from_disk_without_a_word(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    export(layda.race("himmelblau", start=(1.0, -1.0), steps=50), page)
    with browsed(page.as_uri()) as seen:
        seen.page.wait_for_selector("#lab:not(:empty)")
        assert [place for place in seen.asked if not place.startswith(("data:", "blob:"))] == [page.as_uri()]
        assert not seen.said


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_page(tmp_path_factory.mktemp("page"))
    monkeypatch.setattr(hosts, "document", lambda data, **options: document(data, **options, folder=folder))


def written(path: Path) -> dict[str, Any]:
    found = re.search(r'id="scene">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.usefixtures("small")
def test_a_result_is_exported_as_the_page_opened_at_it(tmp_path: Path) -> None:
    race = layda.race("x^2 + 3y^2", ["nesterov", "heavy-ball:form=step"], start=(1, -1), steps=77, check_every=5)
    layda.export(race, tmp_path / "page.html", language="vi")
    data = written(tmp_path / "page.html")
    assert data["state"]["objective"] == data["objectives"][0]["name"] == "x^2 + 3y^2"
    assert (data["state"]["start"], data["state"]["steps"]) == ([1.0, -1.0], 77)
    assert [(one["rule"], one["word"]) for one in data["state"]["balls"]] == [("nesterov", ""), ("heavy-ball", "step")]
    assert data["constants"]["check_every"] == 5
    assert data["language"] == "vi"
    assert data["state"] == state_of(race)
    layda.export(race.runs[0], tmp_path / "page.html")
    assert len(written(tmp_path / "page.html")["state"]["balls"]) == 1
    layda.export("booth", tmp_path / "page.html")
    assert written(tmp_path / "page.html")["objectives"][0]["name"] == "booth"


def test_what_the_page_cannot_show_is_not_exported(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    with pytest.raises(SpecError, match="3 coordinates"):
        export(layda.descend("sphere:dimension=3", steps=5), target)
    with pytest.raises(SpecError, match="cannot be set on the page"):
        export(layda.descend("x^2", layda.rules.HeavyBall(weight_decay=0.1), steps=5), target)
    box: Any = layda.objectives.black_box(lambda x: float(x[0] ** 2), box=[(-1.0, 1.0)])
    with pytest.raises(SpecError, match="no page can compute it"):
        export(box, target)
    runs = [layda.descend("x^2", steps=5, check_every=every) for every in (5, 10)]
    with pytest.raises(SettingError, match="export each by itself"):
        export(layda.Race(runs[0].objective, tuple(runs), 5), target)
    assert not target.exists()


def test_an_objective_that_borrows_a_classics_name_takes_its_place() -> None:
    own = layda.objectives.formula("x^2 + 2")
    borrowed = TracedObjective(
        name="booth", coordinates=own.coordinates, box=own.box, start=own.start, program=own.program
    )
    data, known = first_scene(borrowed)
    assert [one["name"] for one in data["objectives"]].count("booth") == 1
    assert len(data["objectives"][0]["coordinates"]) == 1
    assert known == (borrowed,)
    assert first_scene("booth")[1] == ()
