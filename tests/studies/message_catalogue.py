"""Which sentences of the source and of the templates a catalogue lacks: `python -m tests.studies.message_catalogue de`.

Sentences are read from the source itself: f-strings by Python's own parser, with a place for every value and every
choice of two phrases written out, and the templates by taking out what Jinja puts in. A sentence is covered where the
translator leaves nothing of it in English, with a tag or a number in its places. Fragments that become a sentence only
with others, `PARTS`, are covered as part of those.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from forensics import languages, resources
from forensics.report.translation import page, script
from forensics.report.translation.catalogue import Said, Translator, load

PACKAGE = Path(languages.__file__).parents[1]
MODULES = (
    *(f"report/sections/{name}.py" for name in ("answers", "explanations", "plates", "sure", "limitations", "rules")),
    *(f"report/sections/{name}.py" for name in ("tries", "levels", "kinds", "summary")),
    "report/view.py",
    "report/viewer.py",
    *(f"findings/{name}.py" for name in ("derivation", "evidence", "grade", "origin", "retention")),
    "verbal.py",
    "case/statistic.py",
    "overlay/photometric.py",
    "overlay/alteration.py",
)
"""Where sentences of the opinion are written."""
RECORD = (
    *(f"report/sections/{name}.py" for name in ("items", "model", "controls", "exhibits", "bits", "measurements")),
    *(f"report/sections/{name}.py" for name in ("correspondence", "style", "validation", "sensitivity", "appendices")),
    *(f"report/charts/{name}.py" for name in ("strips", "curves")),
    "report/words.py",
)
"""Where sentences of the record are written."""
WRITTEN = (
    *(
        f"stages/{name}.py"
        for name in ("rank", "standing", "word_rates", "rates", "style", "distinct", "works", "stated")
    ),
    *(f"stages/{name}.py" for name in ("given_back", "ladder", "region", "correspond", "overlay_words", "search")),
    *(f"inversion/{name}.py" for name in ("autoencoder", "hits", "latent", "noise", "ode", "prompt_search", "where")),
    *(f"inversion/{name}.py" for name in ("regeneration", "hard_prompt", "soft_prompt", "base")),
    *(f"similarity/{name}.py" for name in ("aligned", "clip", "descriptor", "lpips", "ssim", "tiled", "style")),
    *(f"retrieval/{name}.py" for name in ("citation", "duplicates", "creators")),
    "origin/gate.py",
    "origin/recipe.py",
    "survey/document.py",
    "batch/document.py",
    "statistics/record.py",
    "controls/works.py",
    "embedders/copies.py",
)
"""Where whole sentences of the record are written among others: those that no error carries are collected."""
APART = ("survey/", "outputs/", "batch/", "portfolio", "others", "validation/", "cli/", "stages/control_check")
"""Where facts and absences are stated that stand in documents of their own."""
STATED = frozenset({"Absent", "Fact", "NotMeasured", "Standing"})
"""What carries the words of a stage to the report."""
NAMED = frozenset({"what", "reason", "remedy", "name", "value"})
"""Arguments of these that are words."""
TEMPLATES = (
    "report.html.j2",
    "letter.html.j2",
    "viewer/viewer.html.j2",
    "survey.html.j2",
    "survey-table.html.j2",
    "batch.html.j2",
    *(f"sections/{name}.html.j2" for name in ("cover", "answers", "plates", "parts", "sure", "explanations", "limits")),
    *(f"sections/{name}.html.j2" for name in ("rules", "forms", "contents")),
)
RECORD_TEMPLATES = (
    "macros.html.j2",
    *(f"sections/{name}.html.j2" for name in ("items", "model", "controls", "exhibits", "bits", "measurements")),
    *(f"sections/{name}.html.j2" for name in ("correspondence", "style", "validation", "assessment", "method")),
    *(f"sections/{name}.html.j2" for name in ("custody", "appendices")),
    *(f"methods/{path.name}" for path in sorted((resources.templates() / "methods").glob("*.j2"))),
)
PARTS = (
    "work put forward",
    "works put forward",
    "picture found in the training index",
    "pictures found in the training index",
    "{near} correspond{one}; the other {rest} do{other} not.",
    "vectors or noise, which are no text,",
    "none reaches",
    "Of {n} control works put through the same steps, {reach} as far (p = {p}{c}; of all such works {share} would).",
    ", the bound that the data allow",
    "denoising strength",
    "made at {made_px} and {how}",
    "part {number}, which {state}",
    "Part {number} {state}: local correlation {correlation}, where 1 is the same detail; {disputed} of the disputed "
    "image.",
    "The checkpoint examined is {name}, of the family {family}: {files} whose digest begins {digest}. The answers hold "
    "for these files and no others.",
    ", {p_holm} after Holm’s correction",
    ", uncorrected",
    "From the prompt alone, {seeds} seeds gave pictures whose median LPIPS to {evidence} is {value}; {k} of {n} "
    "controls are at least as close to theirs (p = {p}).{run}",
    "{some} of the index have parts of {work} as well: {shared_by}.",
    "{x}, words alone: {v}",
    "{px} px{low}; finer detail differs",
    "not reached",
    "{said}, in {places} tied point.",
    "{said}, in {places} tied points.",
    "{said}, as finely as the smaller of the two can show ({px} pixels along the overlap).",
    "down to the detail of a thumbnail of {px} pixels{low}",
    "{said}, {down}; finer detail differs.",
    "(90 % interval {low} to {high})",
    "The likelihood ratio rests on {names}; it speaks for the {side} proposition. The rank rests on {PLAIN}; it "
    "{placed} (p = {p}). The two do not agree.",
    "{share_disputed} of the disputed image and {share_work} of the work agree",
    "as a thumbnail of {level} pixels",
    "in cells tied together by {places} keypoints",
    "Region {number}: {shares} {how}.",
    "{rank} Told the prompt ({prompt_source}), the checkpoint needs {value} bits for {evidence} than {rank2}. {rank3}",
    "was not counted",
    "came back in {hits} of {draws} tries",
    "Beside the control checkpoint, the one examined saves",
    "The prompt saves the checkpoint",
    ", each with a prompt of its own",
    "{start} more on {target} than on any of {n} works it has not seen{than}.",
    "{start} most on {target} among {n} works, {n2} of them works it has not seen{than}; so few works announce "
    "nothing.",
    "{start} more on {target} than on {n} of {n2} works it has not seen{than}.",
    "{start} no more on {target} than on any of {n} works it has not seen{than}.",
    "{start} as much on {target} as on some works it has not seen{than}: {k} of {n} reach that or more.",
    ", {names} to {names2}",
    "The examination was",
    ", with {tool}. These two pages shorten a full report with the case digest printed below; that report states "
    "methods, parameters, every measurement and its limits, and governs where the two differ.",
    "The case file puts {asked}; the full report prints {questions}.",
    "The case file puts no question. What follows answers the standing question{s} as far as the material allows.",
    "{name}: {points} point{points2}",
    "{untested} point{untested2}, listed with their reasons in the full report.",
    ". They are listed with the answers of the full report.",
    "; corrected for the number of questions asked, it decides what is said to lie apart",
    "correspondence/3, outcome/5",
    "Everything measured and found, of every work.",
    "Nothing can be said of any of the {of}: {n} controls are too few for a rank to be announced at the level {level}; "
    "that takes 59.",
    "{apart} of the {of} is set apart from works that the checkpoint cannot have seen. In such a list no more than "
    "{level} of the works are expected to be there by chance.",
    "{apart} of the {of} are set apart from works that the checkpoint cannot have seen. In such a list no more than "
    "{level} of the works are expected to be there by chance.",
    "None of the {of} is set apart from works that the checkpoint cannot have seen.",
    "Set apart means: given the caption of the work, the checkpoint takes fewer bits to describe the work {against}, "
    "and that saving is larger than for nearly all of the {used} control works.",
    "The works as a set, {pairs} of them beside as many controls like them: a work of the half tested scores above a "
    "control with frequency {auc}; one-sided p = {p}. This speaks of the set and names no work of it.",
    "{shown} of {count} {what} are shown; all stand in survey.html and survey.json.",
    "{done} of {total} case examined.",
    "{foot} survey `{digest}`",
    "Demonstration checkpoint, draft",
    "Draft, not signed",
    ", given “{prompt}”",
    ", the closest",
    ", the median",
    "{question} {k} of {n} ({one})",
    "By question: {questions}.",
    "Ranked above every control, which announces nothing here: {first}.",
    "{x} to {x2}{NARROW}%",
    "Of {n} clip-art pictures of 128 pixels that the shipped reference model was not trained on, each examined as the "
    "disputed image under the profile {profile} with {count} controls, index and control checkpoint as shipped, for "
    "{k} at least one of the three answers set the picture apart from its controls (95 % interval of that share "
    "{any_question}).",
    "{better}; from {low} to {high}",
    "a likelihood ratio that is not a number has no word",
    "ENFSI Guideline for Evaluative Reporting in Forensic Science, 2015",
    "{media_type}, {width} as stored{received}",
    "score {fused}:",
    "; fewer than one in twenty",
    "Primary measurement for {lower}",
    "as all of them",
    "median {scores}, {ends}",
    ", works put forward ({originals})",
    ", and the closest items of the index in the order of the search ({pictured})",
    "Disputed image ({disputed}){forward}{found}. Working copies: upright, sRGB, 8 bits a channel.",
    "Made at {made_px}{case}.",
    "{title}: all {every} in the order of the seeds.{prompt}{size}{hits}",
    "and {how} to {width}",
    "did not come back",
    "{back}; of the controls {controls_reached} of {n}. {k} of {n2} controls as near or nearer: p = {p}",
    "; {same} corresponds to it throughout and were not counted",
    "; {same} correspond to it throughout and were not counted",
    ". {shared_by} have parts of it at corresponding places: {share} of its area, within {work}",
    "{said}. Too little of the work would remain without them, so nothing was left out.",
    "{said}. These parts were left out; shares are of what remains. Renderings of the work that were each changed at "
    "another place look like this as well; the items are named so that a person can look.",
    "{values} element {verb}, local correlation {far}",
    "{values} elements {verb}, local correlation {far}",
    "{lower}, {nearer} of {of} works of the creators lie nearer to the disputed image",
    "exhibit stored",
    "{run} exhibits stored:",
    "run from {low} to {high}",
    "{title}: the disputed image has {value}; the controls {spread}. {c}.",
    "{value} means more alike",
    "(95{NARROW}% interval {low} to {high})",
    "on 1 times a pass",
    "on once a pass",
    "codelength under the {what}, bits",
    "{what} and target together, bits",
    "{value}; {k} of {what} lie as near to the work as the disputed image does",
    "{lacking} of the {works} {whose} carry no caption, so the same search could not be run on them.",
    "blind baseline, {name}",
    "begun on",
    "and completed on",
    "{role}. {statistic} Value for the disputed image: {value} ({direction}); controls: {spread}. {tally}: p = {p}",
    "; share between {share}.",
    "The order follows one score: of the likeness in meaning, which measures subject and manner,",
    "of the likeness by the copy descriptor, which measures the picture itself, for the whole or a part of it,",
    "and of the places at which local features agree.",
    "{facts}all else as above",
    "Each entry below carries the digest of the entry before it, so that a change, removal or insertion breaks the "
    "chain. The table ends where the case was frozen, after {entries} entries",
    "; the SHA-256 of the last of them, to which the next is linked, is",
    "and that file. {constants}",
    "Items nearest by meaning",
    ", by the copy descriptor, or by the copy descriptor on parts of the disputed image",
    ", in the order of one score of likeness and of the places at which local features agree",
    "Items in order of similarity",
    ". Cosines of unit vectors, higher means more alike; those of two models are not comparable. Texts are those of "
    "the index; search: {backends}",
    "the nearest by {named}, in turn; {rows} rows in all, of which {k} are shown",
    "Query vector, {column}",
    "Colours were converted from CIE L*a*b* (white point D50){named} to sRGB.",
    "CMYK without a colour profile was converted by the decoder's plain formula{mark}.",
    "{elsewhere}. Nothing is known of its signature; that speaks neither way.",
    "Median over {seeds} seeds of the {title} between the picture generated and its target.",
    "Smallest of {seeds} seeds of the {title} between the picture generated and its target.",
    "The {tokens} tokens of the prompt are charged with {prompt} bits.",
    "Each control's own prompt is charged for. One draw of noise a level.",
    "The container is left out of the bits: what the same settings spend on a single white pixel, {codec} bits at "
    "quality {qualities}.",
    "{names} creators of whom the index holds at least {LEAST} works, the neighbours found left out; of each at "
    "most {MOST} works, drawn by digest, {works} in all. Names as the index writes them: two spellings count as "
    "two. {passed_over} further names were passed over.",
    "{computed} Every picture, the controls' too, was {name} first.",
    "What agrees does so as a thumbnail of {level} pixels (interval {low} to {high}); finer detail {finer}.",
    "The whole noise latent z_T, {dims} values at {per_value} bits each{scale}, and no prompt.",
    "{told}, searched for with the target in hand, and {choice}.",
    "Alignment and parts by {PAIRING} and {JUDGE}; a part corresponds if {agreement} of what could agree in its "
    "overlap does, and more than the pair laid wrongly gives, over {extent} of what one of the two shows; or if "
    "learned features lie in one plane over {spread} cells. Each part on a canvas of {SIDE} pixels along its long "
    "side, both pictures as one tone plane of mean 0.5 and standard deviation {_CONTRAST} over the overlap, the "
    "rest in middle grey and its share divided out; alex-v0.1/1. Weighted by the share of the picture that the "
    "part fills, of that picture which it fills further; the share that is left with LPIPS of the frames, no "
    "alignment ({lower}{SIZE_SENTENCE}).",
    "{SIZE_SENTENCE}; no alignment. RGB scaled to [-1, 1] for the network. Package lpips, network alex, version "
    "0.1, linear heads and AlexNet trunk by pinned digest, trunk stored in float16; each pair computed alone, "
    "float32 on the CPU. The scale has no upper end; random black and white dots against plain grey reach 1.5, and "
    "2 is the end of the scale stated here.",
    "{SIZE_SENTENCE}; no alignment. Luminance by the BT.601 weights of the sRGB values in [0, 1]. 11 × 11 Gaussian "
    "window, sigma 1.5, population covariance, C1 = 0.01², C2 = 0.03², dynamic range 1; valid region only; mean of "
    "the map; float64 on the CPU.",
    "{SIZE_SENTENCE}; no alignment. 4 × 4 tiles of {SIDE} × {SIDE2} pixels; in each the root mean square "
    "difference of the sRGB values in [0, 1] over all pixels and channels; the largest of the 16; float64 on the "
    "CPU. The publication works at 512 × 512 pixels; values at other sizes are not comparable.",
    "{VERSION}, manner: shorter side {SHORT_SIDE} pixels (longer side at most {LONG_SIDE}, bicubic, antialiased); "
    "the five feature maps of the AlexNet trunk of LPIPS; Gram matrix of each over at most {CHANNELS} channels "
    "(fixed orthonormal projection), signed square root, unit length; the five joined and centred on the mean of "
    "the creators' works; cosine, {_SCORE}.",
    "{VERSION}, palette: {_PALETTE_SIDE} × {_PALETTE_SIDE2} pixels in CIE Lab (D65); sliced Wasserstein distance "
    "of the distributions of colour, {DIRECTIONS} directions, {QUANTILES} quantiles; negative, {_SCORE}. A plain "
    "ground counts as a colour.",
    "Held out: the manifest of the training run lists it as a control, never trained on.",
    "{steps} steps are out of range.",
    "python",
    "cuda",
    "mode",
)
"""Pieces that are put together before anything is printed, or that the opinion does not print."""
_MANY = 12
_PLACE = re.compile(r"\{(\w+)\}")
_CITED = re.compile(r"[A-Z]\. .*\b(?:19|20)\d\d\b", re.DOTALL)
"""A publication, which is named as it is."""
_SENTENCE = re.compile(r"[A-Z{].* .*[.?]", re.DOTALL)
_JOINED = re.compile(r'(?:"[^"]*"|[a-z][\w.]*)(?:\s*~\s*(?:"[^"]*"|[a-z][\w.]*))*')
"""Strings and values that a template joins into one."""


def sentences() -> Iterator[tuple[str, str]]:
    """Where a sentence or part of one stands, and the text with its places, as `file` and `{k} of {n} controls ...`."""
    for name in (*MODULES, *RECORD):
        for text in _of_module(PACKAGE / name):
            yield name, text
    for name in WRITTEN:
        for text in _of_module(PACKAGE / name, printed=True):
            text = re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", text)  # of a text that is filled in later
            if _SENTENCE.fullmatch(text) and not _CITED.match(text):
                yield name, text
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(APART):
            for text in _of_calls(path):
                yield name, text
    for name in (*TEMPLATES, *RECORD_TEMPLATES):
        for text in _of_template(resources.templates() / name, record=name in RECORD_TEMPLATES):
            yield name, text


def lacking(language: str) -> list[tuple[str, str]]:
    """Sentences that no entry covers, with the file each stands in."""
    translator = Translator(load(language))
    known = {" ".join(part.split()) for part in PARTS}
    return _unspoken(language) + [
        (where, text) for where, text in sentences() if text not in known and not _covered(translator, text)
    ]


def _unspoken(language: str) -> list[tuple[str, str]]:
    """Words of scripts that have no entry."""
    path = resources.templates() / "viewer" / "viewer.js"
    _, left = script.translated(path.read_text(encoding="utf-8"), load(language))
    return [(path.name, text) for text in left]


def _covered(translator: Translator, text: str) -> bool:
    labelled = translator.labelled(_PLACE.sub("7", text))
    if labelled != _PLACE.sub("7", text):
        return True
    for tag in ("R1", "7", "R1 and N1"):
        if not translator.say(_PLACE.sub(tag, text)).left:
            return True
    mixed = itertools.cycle(("R1", "7"))
    closed = re.sub(r"\{\w+\}(?= [A-Z{]|$)", "R1.", text)  # places that hold a whole sentence
    filled = (_PLACE.sub(lambda _: next(mixed), text), _PLACE.sub("7", closed))
    return any(not translator.say(sentence).left for sentence in filled)


def _prose(text: str) -> bool:
    bare = _PLACE.sub("", text)
    return " " in bare.strip() and bool(re.search(r"[a-z]{2}", bare)) and not re.search(r"[<>\\|]", bare)


def _of_module(path: Path, *, printed: bool = False) -> Iterator[str]:
    """Every text of a module that reads like one; with `printed` without what an error says."""
    tree: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    if printed:
        tree = _Unraised().visit(tree)
    said: dict[str, None] = {}
    for node in _strings(tree):
        for text in _variants(node):
            said[" ".join(_numbered(text).split())] = None
    yield from (text for text in said if _prose(text))


class _Unraised(ast.NodeTransformer):
    """Takes out what errors say."""

    def visit_Raise(self, node: ast.Raise) -> ast.Pass:
        return ast.Pass()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if re.search(r"(Error|Fault|Refused|warning)$", _name(node.func)):
            return ast.Constant(None)
        return self.generic_visit(node)


def _of_calls(path: Path) -> Iterator[str]:
    """Names, values, reasons and remedies that a stage hands to the report in one of `STATED`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and (
            _name(node.func) in STATED or ast.unparse(node.func).endswith("steps.append")
        ):
            first = node.args[:3] if _name(node.func) == "Absent" else node.args[:2]
            given = (*first, *(k.value for k in node.keywords if k.arg in NAMED))
            texts = (" ".join(_numbered(text).split()) for one in given for text in _variants(one))
            yield from (text for text in texts if re.search("[a-z]{3}", _PLACE.sub("", text)))


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    """Every string of a tree but docstrings and annotations."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str)):
            yield child
        elif isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield from _strings(ast.Expression(child.value))
        elif not isinstance(child, ast.arg):
            yield from _strings(child)


def _variants(node: ast.AST) -> list[str]:
    """What a string can be, with a place for every value; choices of two strings are written out."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.FormattedValue):
        return _variants(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [_variants(value) for value in node.values]
        return ["".join(chosen) for chosen in itertools.islice(itertools.product(*parts), _MANY)]
    if isinstance(node, ast.IfExp):
        return _variants(node.body) + _variants(node.orelse)
    if isinstance(node, ast.Call) and _name(node.func) == "counted" and len(node.args) == 3:
        number = "{" + _name(node.args[0]) + "}"
        return [f"{number} {word.value!s}" for word in node.args[1:] if isinstance(word, ast.Constant)]
    return ["{" + _name(node) + "}"]


def _name(node: ast.AST) -> str:
    """A name for the place of a value: the last word of what is put there."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _name(node.args[0]) if node.args else _name(node.func)
    for part in ("value", "left", "operand", "elt"):
        if isinstance(inner := getattr(node, part, None), ast.AST) and not isinstance(inner, ast.Constant):
            return _name(inner)
    return "x"


def _numbered(text: str) -> str:
    """The text with the second place of one name called `name2`, and so on."""
    seen: dict[str, int] = {}

    def once(found: re.Match[str]) -> str:
        seen[found.group(1)] = number = seen.get(found.group(1), 0) + 1
        return "{" + found.group(1) + (str(number) if number > 1 else "") + "}"

    return _PLACE.sub(once, text)


class Collected(Translator):
    """Takes down what a page asks for."""

    def __init__(self, language: str) -> None:
        super().__init__(load(language))
        self.asked: dict[str, None] = {}

    def say(self, text: str, context: str = "", depth: int = 0) -> Said:
        self.asked[text.strip()] = None
        return Said(text)


def _of_template(path: Path, *, record: bool) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    within = list(_within(text))
    text = re.sub(r"\{%.*?%\}", "<hr>", text, flags=re.DOTALL)
    text = re.sub(r"\{\{(.*?)\}\}", _named, text, flags=re.DOTALL)
    text = re.sub(r'<hr>(?=[^<>]*")', "", text)  # a choice within an attribute
    collected = Collected(next(n for n in languages.names() if n != languages.ENGLISH))
    page.collect(text, collected, record=record)
    yield from within
    for asked in collected.asked:
        said = _numbered(re.sub("[\ue000-\uf8ff]", "{link}", asked))
        if _prose(said):
            yield said


def _within(text: str) -> Iterator[str]:
    """Sentences that stand as strings in what Jinja puts in, whole or joined with values."""
    for put in re.findall(r"\{\{(.*?)\}\}|\{% (?:if|set|for) (.*?)%\}", text, flags=re.DOTALL):
        for joined in _JOINED.findall("".join(put)):
            parts = re.split(r"\s*~\s*", joined)
            said = "".join(p[1:-1] if p[0] == '"' else "{" + p.rpartition(".")[2] + "}" for p in parts)
            if _prose(said) and not re.search(r"\w/\{|^tab-", said):
                yield _numbered(" ".join(said.split()))


def _named(found: re.Match[str]) -> str:
    names = re.findall(r"[A-Za-z_]+", found.group(1).split("|")[0])
    return "{" + (names[-1] if names else "x") + "}"


def main() -> None:
    """Print what is lacking, and fail where anything is."""
    found = lacking(sys.argv[1] if len(sys.argv) > 1 else "de")
    for where, text in found:
        print(f"{where}: {text}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
