"""Examples from documents: what each filter drops, what an example shows, and that a stopped run goes on."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from example_engine import ScriptedEngine, WordRetriever
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.engine import Decoding
from staffroom.records.documents import Chunk
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.train.example_file import ExampleFile, PassageResult
from staffroom.train.examples import MadeExamples, MakingRules, made_with, make_examples
from staffroom.train.filters import DropReason
from staffroom.train.wording import making_words

DECLINED = "提供的文件沒有寫到這件事。"
EXAM = "sha256:" + "e" * 64
TEXTS = {
    "library#4": "每人最多借十冊。借期為二十一日，可續借一次。",
    "library#9": "遺失圖書者，應購買同一版本的圖書賠償。",
    "parking#12": "停車費率由主管機關公告。逾期未繳者，每日加收百分之五的滯納金。",
    "pool#3": "游泳池每週一休館。學生憑證件入場費減半。",
    "pool#5": "入場前應先沖洗，並戴泳帽。",
}
QUESTIONS = {
    "library#4": "我向圖書館借書，借期是幾天？",
    "library#9": "我把遺失的圖書弄不見了，應該怎麼賠償？",
    "parking#12": "我停車費逾期沒繳，每日會加收多少滯納金？",
    "pool#3": "學生去游泳池，入場費可以減半嗎？",
    "pool#5": "入場游泳以前要先做什麼，要不要戴泳帽？",
}
ANSWERS = {
    "library#4": "借期是二十一日，還可以續借一次。",
    "library#9": "要購買同一版本的圖書賠償。",
    "parking#12": "每日加收百分之五的滯納金。",
    "pool#3": "可以，學生憑證件入場費減半。",
    "pool#5": "入場前應先沖洗，並戴泳帽。",
}
WORDS = making_words("zh-TW")


def chunk(cluster: str) -> Chunk:
    name, _, article = cluster.partition("#")
    return Chunk(
        id=f"sha256:{cluster}",
        document_digest="sha256:d",
        document_name=name,
        heading_path=(name, f"第{article}條"),
        text=TEXTS[cluster],
        page=None,
        start=0,
        end=len(TEXTS[cluster]),
        as_of=None,
        cluster=cluster,
    )


CHUNKS = [chunk(cluster) for cluster in TEXTS]


def clerk(prompt: str, decoding: Decoding) -> str:
    """Say what a good model would: the question of the passage, the sentence and answer, and ignorance without it."""
    if "想 3 個問題" in prompt:
        return "1. " + next(QUESTIONS[name] for name, text in TEXTS.items() if text in prompt)
    if "只根據上面" in prompt:
        return next(ANSWERS[name] for name, question in QUESTIONS.items() if question in prompt)
    return "這要看各單位怎麼規定，請您再打電話去問清楚。"


def make(
    tmp_path: Path,
    says: Callable[[str, Decoding], str] = clerk,
    *,
    rules: MakingRules | None = None,
    withheld: tuple[str, ...] = (),
    exam: str = EXAM,
    name: str = "made.jsonl",
) -> tuple[MadeExamples, ScriptedEngine]:
    engine, retriever = ScriptedEngine(says), WordRetriever(CHUNKS)
    rules = rules or MakingRules(without=0.0)
    file = ExampleFile(tmp_path / name, made_with(engine, retriever, WORDS, DECLINED, exam, rules))
    made = asyncio.run(
        make_examples(
            CHUNKS, engine, retriever, WORDS, DECLINED, exam=exam, withheld=withheld, file=file, rules=rules
        )
    )
    return made, engine


def except_for(cluster: str, stage: str, said: str) -> Callable[[str, Decoding], str]:
    """Return a clerk that says something else about one passage: its `questions`, `answer`, or answer without it."""

    def says(prompt: str, decoding: Decoding) -> str:
        about = TEXTS[cluster] in prompt if stage == "questions" else QUESTIONS[cluster] in prompt
        at = "questions" if "想 3 個問題" in prompt else "answer" if "只根據上面" in prompt else "closed"
        return said if about and at == stage else clerk(prompt, decoding)

    return says


def test_each_passage_gives_an_example_that_quotes_it(tmp_path: Path) -> None:
    made, _ = make(tmp_path)
    assert len(made.examples) == 5 and not made.dropped
    first = made.examples[0]
    assert first.turns[-1].content == QUESTIONS["library#4"]
    assert (
        first.answer
        == "依「library 第4條」：「借期為二十一日，可續借一次。」借期是二十一日，還可以續借一次。"
    )
    assert first.case == "library#4" and first.origin == "documents"
    for example, own in zip(made.examples, CHUNKS, strict=True):
        assert own.id in example.chunks and len(set(example.chunks)) == 3


def test_a_share_lacks_the_right_passage_and_declines(tmp_path: Path) -> None:
    made, _ = make(tmp_path, rules=MakingRules(without=1.0))
    for example, own in zip(made.examples, CHUNKS, strict=True):
        assert own.id not in example.chunks and len(example.chunks) == 3
        assert example.answer == DECLINED
    some, _ = make(tmp_path, rules=MakingRules(without=0.5, seed=3), name="half.jsonl")
    assert 0 < sum(example.answer == DECLINED for example in some.examples) < 5


def test_the_right_passage_stands_at_any_place(tmp_path: Path) -> None:
    places = Counter()
    for seed in range(8):
        made, _ = make(tmp_path, rules=MakingRules(without=0.0, seed=seed), name=f"{seed}.jsonl")
        places.update(
            example.chunks.index(own.id) for example, own in zip(made.examples, CHUNKS, strict=True)
        )
    assert set(places) == {0, 1, 2}


def test_the_same_again_is_the_same(tmp_path: Path) -> None:
    first, _ = make(tmp_path, name="one.jsonl")
    second, _ = make(tmp_path, name="two.jsonl")
    assert [example.digest for example in first.examples] == [example.digest for example in second.examples]


def test_passages_of_the_exam_give_nothing_and_are_not_even_shown_to_the_model(tmp_path: Path) -> None:
    made, engine = make(tmp_path, withheld=("library#4", "pool#3"))
    assert made.dropped == {DropReason.WITHHELD: 2} and len(made.examples) == 3
    assert not any(TEXTS["library#4"] in asked for asked in engine.asked)


def test_no_example_before_the_exam_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        make(tmp_path, exam="")


@pytest.mark.parametrize(
    ("stage", "said", "reason"),
    [
        ("questions", "借？", DropReason.LENGTH),
        ("questions", "我想問這一段寫的借期是幾天？", DropReason.NAMES_PASSAGE),
        ("questions", "How many days may I keep a book from the library?", DropReason.LANGUAGE),
        ("questions", "游泳池的學生入場費可以減半嗎？", DropReason.NOT_RETRIEVED),
        ("questions", "", DropReason.NOT_PARSED),
        ("answer", "這一段沒有寫。", DropReason.UNANSWERED),
        ("answer", "", DropReason.NOT_PARSED),
        ("answer", "借期是三十日。", DropReason.NOT_IN_PASSAGE),
        (
            "answer",
            "借期是二十一日，費用另計，請先向櫃檯人員繳納保證金之後辦理手續。",
            DropReason.NOT_IN_PASSAGE,
        ),
        ("answer", "The loan period is twenty-one days and can be extended.", DropReason.LANGUAGE),
        ("closed", "一般來說是二十一日，可以續借一次。", DropReason.KNOWN_ANYWAY),
    ],
)
def test_what_is_of_no_use_is_dropped_and_counted(
    tmp_path: Path, stage: str, said: str, reason: DropReason
) -> None:
    rules = MakingRules(without=0.0, depth=1)
    made, _ = make(tmp_path, except_for("library#4", stage, said), rules=rules)
    assert made.dropped == {reason: 1}
    assert len(made.examples) == 4


def test_what_a_model_writes_in_the_other_script_is_repaired_as_it_is_when_served(tmp_path: Path) -> None:
    made, _ = make(tmp_path, except_for("library#4", "answer", "借期是二十一日，还可以续借一次。"))
    assert made.examples[0].answer.endswith("借期是二十一日，還可以續借一次。")


def test_three_answers_of_which_no_two_agree_are_dropped(tmp_path: Path) -> None:
    answers = iter(["借期是二十一日。", "最多借十冊。", "可續借一次，借期二十一日，共四十二日。"])

    def says(prompt: str, decoding: Decoding) -> str:
        if "只根據上面" in prompt and QUESTIONS["library#4"] in prompt:
            return next(answers)
        return clerk(prompt, decoding)

    made, _ = make(tmp_path, says)
    assert made.dropped == {DropReason.DISAGREEMENT: 1}


def test_the_third_answer_decides_and_is_asked_for_only_then(tmp_path: Path) -> None:
    answers = ["借期是二十一日。", "最多借十冊。", "借期二十一日。"]
    asked = []

    def says(prompt: str, decoding: Decoding) -> str:
        if "只根據上面" in prompt and QUESTIONS["library#4"] in prompt:
            asked.append(decoding)
            return answers[len(asked) - 1]
        return clerk(prompt, decoding)

    made, engine = make(tmp_path, says)
    assert len(made.examples) == 5 and len(asked) == 3
    assert asked[0].temperature == 0 and len({(one.temperature, one.seed) for one in asked}) == 3
    assert sum("只根據上面" in prompt for prompt in engine.asked) == 2 * 4 + 3


def test_a_question_is_not_asked_twice(tmp_path: Path) -> None:
    twice = "\n".join([QUESTIONS["library#4"], QUESTIONS["library#4"].replace("幾天", "多少天")])
    made, _ = make(tmp_path, except_for("library#4", "questions", twice))
    assert made.dropped == {DropReason.REPEATED: 1} and len(made.examples) == 5


def test_a_passage_that_holds_the_quotation_too_is_no_distractor(tmp_path: Path) -> None:
    TEXTS_WITH_COPY = {**TEXTS, "copy#1": "摘要。" + TEXTS["library#4"]}
    copy = Chunk(
        "sha256:copy", "sha256:d", "copy", ("copy",), TEXTS_WITH_COPY["copy#1"], None, 0, 30, None, "copy#1"
    )
    chunks = [*CHUNKS, copy]
    engine, retriever = ScriptedEngine(clerk), WordRetriever(chunks)
    rules = MakingRules(without=1.0, excerpts=4)
    file = ExampleFile(tmp_path / "x.jsonl", made_with(engine, retriever, WORDS, DECLINED, EXAM, rules))
    made = asyncio.run(
        make_examples(
            CHUNKS[:1], engine, retriever, WORDS, DECLINED, exam=EXAM, withheld=(), file=file, rules=rules
        )
    )
    assert "sha256:copy" not in made.examples[0].chunks and CHUNKS[0].id not in made.examples[0].chunks


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, _ = make(tmp_path, name="whole.jsonl")
    count = 0

    def dying(prompt: str, decoding: Decoding) -> str:
        nonlocal count
        count += 1
        if count > 9:
            raise KeyboardInterrupt
        return clerk(prompt, decoding)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, dying)
    again, engine = make(tmp_path)
    assert [example.digest for example in again.examples] == [example.digest for example in whole.examples]
    assert not any(TEXTS["library#4"] in asked or TEXTS["library#9"] in asked for asked in engine.asked)
    _, idle = make(tmp_path)
    assert idle.asked == []


def test_any_cut_of_the_file_loses_only_what_was_being_written(tmp_path: Path) -> None:
    whole, _ = make(tmp_path)
    path = tmp_path / "made.jsonl"
    data = path.read_bytes()
    for cut in range(0, len(data), 97):
        path.write_bytes(data[:cut])
        again, _ = make(tmp_path)
        assert [example.digest for example in again.examples] == [
            example.digest for example in whole.examples
        ]


def test_a_file_made_with_something_else_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(WrongUse, match="another exam"):
        make(tmp_path, exam="sha256:" + "f" * 64)
    with pytest.raises(WrongUse, match="another rules"):
        make(tmp_path, rules=MakingRules(seed=8))


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "made.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2][:-5]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(StaffroomError, match=r"made\.jsonl:3"):
        make(tmp_path)


def test_braces_in_a_document_stay_what_they_are(tmp_path: Path) -> None:
    TEXT = "格式為 {question} 或 {0}。借期為二十一日。"
    odd = Chunk("sha256:odd", "d", "odd", ("{text}",), TEXT, None, 0, len(TEXT), None, "odd#1")
    engine, retriever = ScriptedEngine(lambda prompt, _: ""), WordRetriever([odd])
    rules = MakingRules()
    file = ExampleFile(tmp_path / "x.jsonl", made_with(engine, retriever, WORDS, DECLINED, EXAM, rules))
    made = asyncio.run(
        make_examples(
            [odd], engine, retriever, WORDS, DECLINED, exam=EXAM, withheld=(), file=file, rules=rules
        )
    )
    assert TEXT in engine.asked[0] and made.dropped == {DropReason.NOT_PARSED: 1}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            PassageResult,
            st.text(min_size=1, max_size=10),
            st.just(()),
            st.dictionaries(st.sampled_from(list(DropReason)), st.integers(1, 9), max_size=4),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.integers(0, 1000).map(float),
        ),
        max_size=6,
        unique_by=lambda result: result.chunk,
    )
)
def test_what_is_kept_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, results: list[PassageResult]
) -> None:
    path = tmp_path_factory.mktemp("kept") / "made.jsonl"
    file = ExampleFile(path, {"exam": "x"})
    for result in results:
        file.add(result)
    assert list(ExampleFile(path, {"exam": "x"}).results.values()) == results
    assert len(path.read_text(encoding="utf-8").split("\n")) == len(results) + 2
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0]) == {"made_with": {"exam": "x"}}


@pytest.mark.parametrize("locale", ["zh-TW", "en"])
def test_each_wording_has_all_its_fields(locale: str) -> None:
    words = making_words(locale)
    for field in ("{heading}", "{text}", "{count}"):
        assert field in words.questions
    for field in ("{heading}", "{text}", "{question}"):
        assert field in words.grounded
    assert "{question}" in words.closed and "{quote}" in words.answer and "{answer}" in words.answer


def test_a_locale_without_wording_says_what_to_do() -> None:
    with pytest.raises(WrongUse, match="CSV"):
        making_words("sv-SE")
