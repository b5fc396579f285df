"""The guardrails on whole texts and on streams: what is served and found, whatever the pieces."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan

from staffroom.records.guardrails import GuardrailPlan, Ruling, Stage, Verdict
from staffroom.serve.guardrails import TextGuard
from staffroom.text.personal import LONGEST_PIECE

TOPICS = {
    "forbidden_topics": [
        {"name": "選舉", "words": ["投票給誰", "which party"]},
        {"name": "war", "words": ["war"]},
    ],
    "required_phrases": [{"text": "本回答僅供參考。"}, {"text": "請洽地政事務所。", "about": ["地價稅"]}],
}
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASC\n-----END PRIVATE KEY-----"
PARTS = [
    *(
        "您好，",
        "本館開放時間為每日上午九時至下午五時。",
        "The library opens at nine ",
        "請撥0912-345-678",
        "或(02)2345-6789。",
    ),
    *(
        "身分證A123456789",
        "在臺北市中正區重慶南路一段122號5樓",
        "，\n",
        "password: abcd1234! ",
        "sk-abcdefghijklmnop0123456789",
    ),
    *(
        KEY,
        "a.b@example.com",
        "這個信息",
        "地價稅",
        "award ",
        " 4111 1111 1111 1111 ",
        "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl",
        "軟件",
    ),
    *(
        "密碼：",
        "hunter2hunter2",
        "x1" * 300,
        "7" * 600,
        "臺",
        "SE45 5000 0000 0583 9825 7466",
        "統編",
        "12345675 ",
    ),
]


def served(
    rules: GuardrailPlan, pieces: list[str], question: str = ""
) -> tuple[str, str, tuple[Ruling, ...]]:
    guard = TextGuard(rules).answer(question=question)
    text = "".join(guard.feed(piece) for piece in pieces)
    return text + guard.finish(), guard.blocked, guard.rulings


def chopped(text: str, rng: random.Random) -> list[str]:
    longest = rng.choice([1, 3, 8, 20, 200])
    pieces, place = [], 0
    while place < len(text):
        step = rng.randrange(1, longest + 1)
        pieces.append(text[place : place + step])
        place += step
    return pieces


@settings(max_examples=6, deadline=None)
@given(
    st.lists(st.sampled_from([*PARTS, "投票給誰好", "哪個 which", " party "]), max_size=9),
    st.integers(0, 2**32),
)
def test_what_is_served_and_found_does_not_depend_on_the_pieces(parts: list[str], seed: int) -> None:
    text = "".join(parts)
    rng = random.Random(seed)
    for rules in (plan(charter=TOPICS), plan(charter={"repair_locale": False}), plan("en")):
        whole = served(rules, [text])
        assert served(rules, chopped(text, rng)) == whole


def test_identifiers_are_masked_and_contacts_only_where_they_come_from_nowhere() -> None:
    text = "申請人A123456789，請撥(02)2345-6789或0912-345-678，寄到臺北市中正區中山路1號。"
    out, blocked, rulings = served(plan(), [text], question="我的手機是 0912345678")
    assert (
        out == "申請人〔身分證字號已遮蔽〕，請撥(02)2345-6789或0912-345-678，寄到〔地址已遮蔽〕。"
        and not blocked
    )
    assert [(each.guardrail, each.verdict, each.reason, each.count) for each in rulings] == [
        ("contacts", Verdict.MASK, "address", 1),
        ("identifiers", Verdict.MASK, "national_id", 1),
    ]
    guard = TextGuard(plan()).answer(known=["本所設於臺北市中正區中山路１號（服務臺）"])
    assert guard.feed("寄到臺北市中正區中山路1號。") + guard.finish() == "寄到臺北市中正區中山路1號。"


def test_a_request_is_examined_before_the_model_sees_it() -> None:
    asked = TextGuard(plan()).examine(
        Stage.INPUT, "我是A123456789，電話0912-345-678，密碼是abcd1234!，怎麼辦？"
    )
    assert asked.text == "我是〔身分證字號已遮蔽〕，電話0912-345-678，密碼是〔密碼已遮蔽〕，怎麼辦？"
    assert {(each.guardrail, each.verdict) for each in asked.rulings} == {
        ("identifiers", Verdict.MASK),
        ("contacts", Verdict.FLAG),
        ("secrets", Verdict.MASK),
    }
    assert not any("A123456789" in str(each.as_json()) for each in asked.rulings)


def test_the_plan_says_what_is_done() -> None:
    text = "申請人A123456789，電話0912-345-678。"
    blocking = plan(identifiers={"output": "block"})
    assert served(blocking, ["請稍候，" + text]) == (
        "請稍候，",
        "identifiers: national_id",
        served(blocking, ["請稍候，" + text])[2],
    )
    assert served(plan(identifiers={"output": "flag"}, contacts={"output": "allow"}), [text])[0] == text
    assert served(plan(personal_data=["mobile"]), [text])[0] == "申請人A123456789，電話〔手機號碼已遮蔽〕。"
    assert served(GuardrailPlan("zh-TW"), [text]) == (text, "", ())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"看這裡：\n{KEY}\n以上。", "看這裡：\n〔私鑰已遮蔽〕\n以上。"),
        (f"看：\n{KEY.replace('MII', 'M' * 700)}\n以上。", "看：\n〔私鑰已遮蔽〕\n以上。"),
        ("用sk-abcdefghijklmnop0123456789登入", "用〔金鑰已遮蔽〕登入"),
        (
            "Authorization: Bearer abcdefghijklmnopqrstuvwxyz123456 ok",
            "Authorization: Bearer 〔金鑰已遮蔽〕 ok",
        ),
        ("ghp_" + "a1B2" * 9 + "。", "〔金鑰已遮蔽〕。"),
        ("postgres://app:s3cret@db/x", "postgres://app:〔密碼已遮蔽〕@db/x"),
        ("sr-0123456789ab-" + "0123456789abcdef" * 4, "〔金鑰已遮蔽〕"),
        ("eyJ" + "a" * 500 + ".eyJ" + "b" * 500 + ".cccccccccc 完", "〔金鑰已遮蔽〕 完"),
    ],
)
def test_secrets_are_masked_to_their_end(text: str, kept: str) -> None:
    assert served(plan(), [text])[0] == kept == served(plan(), list(text))[0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "密碼至少八個字元，請勿告訴他人。",
            "Password is required.",
            "請輸入密碼：",
            "The token is not valid here.",
            "API key: see the manual",
        ),
        *(
            "sha256:" + "ab12" * 16,
            "https://example.com/a/b?x=1",
            "檔案 a1b2c3d4-0000-4000-8000-123456789abc",
            "keyword-rich text",
        ),
    ],
)
def test_what_only_looks_like_a_secret(text: str) -> None:
    assert served(plan("en"), [text]) == (text, "", ())


def test_a_topic_of_several_words_is_found_where_the_text_begins_with_it() -> None:
    topics = {"forbidden_topics": [{"name": "t", "words": ["which party"]}]}
    guard = TextGuard(plan("en", topics))
    assert guard.examine(Stage.INPUT, "Which party is best?").blocked
    assert not guard.examine(Stage.INPUT, "sandwich party").blocked
    assert not guard.examine(Stage.INPUT, "x" * 70 + "which party").blocked, "the end of another word"


def test_a_forbidden_topic_ends_the_answer_before_its_clause() -> None:
    rules = plan(charter=TOPICS)
    out, blocked, rulings = served(rules, ["圖書館很好，你該投 票給誰呢？", "還有。"])
    assert (out, blocked) == ("圖書館很好，", "forbidden_topics: 選舉")
    assert [each.verdict for each in rulings] == [Verdict.BLOCK]
    for text in ("ＷＡＲ!", "w\u200bar", "這是 war 嗎", "你该投票给谁"):
        assert TextGuard(rules).examine(Stage.INPUT, text).blocked, text
    for text in ("an award for warm weather", "投票所在哪裡", "給誰"):
        assert not TextGuard(rules).examine(Stage.INPUT, text).blocked, text


def test_required_phrases_are_added_once_and_where_they_belong() -> None:
    rules = plan(charter=TOPICS)
    assert served(rules, ["每小時三十元。"])[0] == "每小時三十元。\n本回答僅供參考。"
    assert served(rules, ["本回答僅供 參考，每小時三十元。"])[0] == "本回答僅供 參考，每小時三十元。"
    out, _, rulings = served(rules, ["五月開徵。"], question="地價稅何時繳？")
    assert out == "五月開徵。\n本回答僅供參考。\n請洽地政事務所。"
    assert [(each.guardrail, each.reason) for each in rulings] == [("required_phrases", "added")]


def test_the_locale_is_repaired_or_flagged() -> None:
    out, _, rulings = served(plan(), ["請安裝这个软件。"])
    assert out == "請安裝這個軟體。" and [(each.guardrail, each.verdict) for each in rulings] == [
        ("locale", Verdict.MASK)
    ]
    out, _, rulings = served(plan(charter={"repair_locale": False}), ["請安裝这个软件。"])
    assert out == "請安裝这个软件。" and [each.verdict for each in rulings] == [Verdict.FLAG]
    assert served(plan(), ["請安裝這個軟體。"])[2] == ()


def test_a_stream_holds_back_a_window_and_not_the_answer() -> None:
    guard = TextGuard(plan()).answer()
    text = "圖書館的規定如下，請各位讀者注意：" + "館內禁止飲食，" * 20
    held, most = 0, 0
    for sign in text:
        held += 1 - len(guard.feed(sign))
        most = max(most, held)
    assert most < 40
    guard = TextGuard(plan("en")).answer()
    for sign in "7" * 1500:
        held += 1 - len(guard.feed(sign))
        most = max(most, held)
    assert most <= LONGEST_PIECE + 60


def test_plans_survive_json_and_tell_themselves_apart() -> None:
    rules = plan(charter=TOPICS)
    assert GuardrailPlan.from_json(rules.as_json()) == rules
    assert rules.digest != plan().digest != plan(secrets={"output": "flag"}).digest
    assert {rule.id for rule in plan().rules} >= {
        "identifiers",
        "contacts",
        "secrets",
        "locale",
        "cited_numbers",
    }
    assert all(rule.reason and rule.version for rule in rules.rules)
