"""Made-up personal data and numbers that only look like it, to put into the sentences beside this file.

Check digits are computed here in their own way, from the rules as authorities publish them, and not by the code
that is measured. Nothing here belongs to a person: numbers are drawn at random, addresses put together from names
of streets.
"""

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta

__all__ = ["HARMLESS", "PERSONAL", "fill"]

LETTER_CODES = dict(
    zip(
        "ABCDEFGHJKLMNPQRSTUVXYWZIO",
        range(10, 36),
        strict=True,
    )
)
HAN_DIGITS = "零一二三四五六七八九"
CITIES: Mapping[str, tuple[str, ...]] = {
    "臺北市": ("中正區", "大安區", "信義區", "士林區", "文山區", "萬華區"),
    "新北市": ("板橋區", "三重區", "新店區", "淡水區", "瑞芳區"),
    "桃園市": ("中壢區", "桃園區", "龜山區"),
    "臺中市": ("西屯區", "北屯區", "豐原區", "東勢區"),
    "臺南市": ("東區", "安平區", "新營區", "麻豆區"),
    "高雄市": ("三民區", "左營區", "鳳山區", "旗山區"),
    "新竹縣": ("竹北市", "竹東鎮", "湖口鄉"),
    "苗栗縣": ("頭份市", "三義鄉", "苑裡鎮"),
    "彰化縣": ("員林市", "鹿港鎮", "福興鄉"),
    "南投縣": ("埔里鎮", "魚池鄉", "南投市"),
    "雲林縣": ("斗六市", "虎尾鎮", "口湖鄉"),
    "嘉義市": ("東區", "西區"),
    "屏東縣": ("恆春鎮", "潮州鎮", "屏東市"),
    "宜蘭縣": ("羅東鎮", "礁溪鄉", "宜蘭市"),
    "花蓮縣": ("吉安鄉", "花蓮市", "玉里鎮"),
    "臺東縣": ("池上鄉", "臺東市"),
    "澎湖縣": ("馬公市", "湖西鄉"),
    "金門縣": ("金城鎮", "金湖鎮"),
}
ROADS = (
    *("中山路", "中正路", "民生東路", "忠孝東路", "和平西路", "復興南路", "文化路", "光復路", "建國北路"),
    *("成功街", "博愛街", "仁愛街", "自由街", "永安街", "德惠街", "臺灣大道", "市民大道", "環河南路"),
    *("大興西路", "學府路", "長春路", "三民路", "八德路", "延平北路", "青年路", "新生街", "公園路"),
)
VILLAGES = ("廣盛村", "大同村", "文昌里", "中興里", "福德里", "永和村", "東榮里")
ROADS_EN = ("Zhongshan", "Heping E.", "Fuxing S.", "Guangfu", "Minsheng E.", "Wenhua", "Xuefu")
CITIES_EN = (
    ("Da’an Dist.", "Taipei City 106"),
    ("Banqiao Dist.", "New Taipei City 220"),
    ("Zhubei City", "Hsinchu County 302"),
    ("Xitun Dist.", "Taichung City 407"),
    ("Lingya Dist.", "Kaohsiung City 802"),
)
IBAN_SHAPES = {"SE": "20n", "DE": "18n", "GB": "4a14n", "FR": "10n11c2n", "SA": "2n18c", "NL": "4a10n"}
MAIL_NAMES = ("mei.ling", "chen_wh", "a.svensson", "info", "wang0912", "k-lindberg", "omar+tax", "lin.yt88")
MAIL_HOSTS = ("example.com.tw", "mail.example.org", "example.net", "kommun.example.se", "edu.example.tw")

Maker = Callable[[random.Random], str]


def fill(template: str, rng: random.Random) -> tuple[str, list[tuple[str, str]]]:
    """Return a sentence with its slots filled, and (kind, value) of what is to be found, in order."""
    parts: list[str] = []
    wanted: list[tuple[str, str]] = []
    rest = template
    while "{" in rest:
        before, _, after = rest.partition("{")
        name, _, rest = after.partition("}")
        value = (PERSONAL.get(name) or HARMLESS[name])(rng)
        if name in PERSONAL:
            wanted.append((name.removesuffix("_en"), value))
        parts += [before, value]
    return "".join([*parts, rest]), wanted


def digits(rng: random.Random, count: int) -> str:
    """Return random digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def styled(text: str, rng: random.Random, *spaced: str) -> str:
    """Return a value as people write it: mostly plain, else one of `spaced`, full-width, spoken, or with a hidden sign."""
    draw = rng.random()
    if draw < 0.5:
        return text
    if draw < 0.8 and spaced:
        return rng.choice(spaced)
    if draw < 0.88:
        return "".join(
            chr(ord(sign) + 0xFEE0) if sign.isascii() and sign.isalnum() else sign for sign in text
        )
    if draw < 0.92:
        return "".join(HAN_DIGITS[int(sign)] if sign.isascii() and sign.isdigit() else sign for sign in text)
    if draw < 0.96:
        place = rng.randrange(1, len(text))
        return text[:place] + rng.choice("\u200b\u200c\u2060\ufeff") + text[place:]
    return text.lower() if text.lower() != text else text


def identity(rng: random.Random, second: str) -> str:
    """Return a letter, `second` and eight digits whose weighted sum is a multiple of ten."""
    letter = rng.choice(list(LETTER_CODES))
    code = LETTER_CODES[letter]
    after = int(second) if second.isdigit() else LETTER_CODES[second] % 10
    body = [after, *(rng.randrange(10) for _ in range(7))]
    total = code // 10 + code % 10 * 9 + sum(digit * (8 - place) for place, digit in enumerate(body))
    return letter + second + "".join(map(str, body[1:])) + str(-total % 10)


def national_id(rng: random.Random) -> str:
    """Return a national identity number."""
    value = identity(rng, rng.choice("12"))
    return styled(
        value,
        rng,
        f"{value[0]}-{value[1:]}",
        f"{value[0]} {value[1:]}",
        f"{value[:4]} {value[4:7]} {value[7:]}",
    )


def arc(rng: random.Random) -> str:
    """Return a resident certificate's number, of the new form or the old."""
    value = identity(rng, rng.choice("8989ABCD"))
    return styled(value, rng, f"{value[:2]}-{value[2:]}", f"{value[:2]} {value[2:]}")


def business_sum(value: str) -> int:
    """Return the sum of the digits of the weighted digits."""
    return sum(
        sum(divmod(int(digit) * weight, 10))
        for digit, weight in zip(value, (1, 2, 1, 2, 1, 2, 4, 1), strict=True)
    )


def is_business(value: str) -> bool:
    """Say whether the rule of 2023 accepts a number."""
    total = business_sum(value)
    return total % 5 == 0 or (value[6] == "7" and (total + 1) % 5 == 0)


def ubn(rng: random.Random) -> str:
    """Return a business number; half of them only the rule of 2023 accepts."""
    old = rng.random() < 0.5
    while True:
        value = digits(rng, 8)
        total = business_sum(value)
        fits_old = total % 10 == 0 or (value[6] == "7" and (total + 1) % 10 == 0)
        if is_business(value) and fits_old is old:
            return styled(value, rng, f"{value[:4]} {value[4:]}", f"{value[:4]}-{value[4:]}")


def mobile(rng: random.Random) -> str:
    """Return a mobile number."""
    value = "09" + digits(rng, 8)
    return styled(
        value,
        rng,
        *(
            f"{value[:4]}-{value[4:7]}-{value[7:]}",
            f"{value[:4]}-{value[4:]}",
            f"{value[:4]} {value[4:7]} {value[7:]}",
        ),
        *(f"+886 {value[1:4]} {value[4:7]} {value[7:]}", f"+886-{value[1:4]}-{value[4:]}", f"886{value[1:]}"),
        f"{value[:4]}.{value[4:7]}.{value[7:]}",
    )


def landline(rng: random.Random) -> str:
    """Return the number of a landline."""
    area, number = rng.choice(
        [
            ("02", rng.choice("2345678") + digits(rng, 7)),
            ("03", rng.choice("23456789") + digits(rng, 6)),
            ("04", "2" + digits(rng, 7)),
            ("04", rng.choice("78") + digits(rng, 6)),
            ("049", "2" + digits(rng, 6)),
            ("05", rng.choice("256") + digits(rng, 6)),
            ("06", rng.choice("23567") + digits(rng, 6)),
            ("07", rng.choice("34567") + digits(rng, 6)),
            ("08", rng.choice("78") + digits(rng, 6)),
            ("089", rng.choice("23578") + digits(rng, 5)),
            ("082", rng.choice("36") + digits(rng, 5)),
            ("037", rng.choice("23567") + digits(rng, 5)),
        ]
    )
    head, tail = number[:-4], number[-4:]
    written = rng.choice(
        [
            *(f"{area}-{number}", f"({area}){head}-{tail}", f"{area}-{head}-{tail}", f"（{area}）{number}"),
            *(f"({area}) {head}{tail}", f"{area} {head} {tail}", f"+886-{area[1:]}-{head}{tail}"),
            f"+886 {area[1:]} {head} {tail}",
        ]
    )
    extension = rng.choice(
        ["", "", "", f"#{digits(rng, 3)}", f"分機{digits(rng, 2)}", f" ext. {digits(rng, 3)}"]
    )
    return written + (extension if written.isascii() or "分" in extension else "")


def passport(rng: random.Random) -> str:
    """Return a number of a passport of Taiwan."""
    return styled(rng.choice("123") + digits(rng, 8), rng)


def health_card(rng: random.Random) -> str:
    """Return a number of a health insurance card."""
    value = "0000" + digits(rng, 8)
    return styled(
        value, rng, f"{value[:4]} {value[4:8]} {value[8:]}", f"{value[:4]}-{value[4:8]}-{value[8:]}"
    )


def plate(rng: random.Random) -> str:
    """Return a number plate, of the new form or an older one."""

    def letters(count: int) -> str:
        return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(count))

    value = rng.choice(
        [
            *(
                f"{letters(3)}-{digits(rng, 4)}",
                f"{letters(3)}-{digits(rng, 4)}",
                f"{letters(2)}-{digits(rng, 4)}",
            ),
            *(
                f"{digits(rng, 4)}-{letters(2)}",
                f"{letters(3)}-{digits(rng, 3)}",
                f"{digits(rng, 3)}-{letters(3)}",
            ),
            f"{letters(1)}{digits(rng, 1)}-{digits(rng, 4)}",
        ]
    )
    draw = rng.random()
    return (
        value
        if draw < 0.7
        else value.replace("-", "")
        if draw < 0.8
        else value.replace("-", " ")
        if draw < 0.9
        else value.lower()
    )


def address(rng: random.Random) -> str:
    """Return an address in Chinese, whole or as people shorten it."""
    city = rng.choice(list(CITIES))
    area = rng.choice(CITIES[city])
    draw = rng.random()
    place = city + area if draw < 0.7 else area if draw < 0.8 else city if draw < 0.9 else ""
    if rng.random() < 0.3:
        place = place.replace("臺", "台")
    if place.startswith(city) and rng.random() < 0.2:
        place = rng.choice(["106", "40757", "300-44"]).replace("-", "") + place
    if place and rng.random() < 0.2:
        place += rng.choice(VILLAGES) + rng.choice(["", f"{rng.randrange(1, 30)}鄰"])
    road = rng.choice(ROADS)
    if road.endswith(("路", "大道")) and rng.random() < 0.4:
        road += rng.choice(["一段", "二段", "三段", "1段", "４段"])
    if rng.random() < 0.3:
        road += f"{rng.randrange(1, 500)}巷"
        if rng.random() < 0.4:
            road += f"{rng.randrange(1, 40)}弄"
    number = rng.randrange(1, 600)
    house = rng.choice(
        [
            f"{number}號",
            f"{number}號",
            f"{number}之{rng.randrange(1, 9)}號",
            f"{number}-{rng.randrange(1, 9)}號",
        ]
    )
    if rng.random() < 0.1:
        house = rng.choice(["十二號", "一百零八號", "三十五之二號", "二十號"])
    floor = rng.choice(
        [
            "",
            "",
            f"{rng.randrange(2, 20)}樓",
            f"{rng.randrange(2, 20)}樓之{rng.randrange(1, 9)}",
            "三樓",
            "B1",
            "5F",
        ]
    )
    written = place + road + house + floor
    draw = rng.random()
    if draw < 0.1 and place:
        written = f"{place} {road} {house}{floor}"
    elif draw < 0.2:
        written = "".join(chr(ord(sign) + 0xFEE0) if sign in "0123456789" else sign for sign in written)
    return written


def address_en(rng: random.Random) -> str:
    """Return an address of Taiwan in English."""
    district, city = rng.choice(CITIES_EN)
    floor = rng.choice(
        ["", f"{rng.randrange(2, 20)}F., ", f"{rng.randrange(2, 9)}F.-{rng.randrange(1, 5)}, "]
    )
    lane = rng.choice(["", "", f"Ln. {rng.randrange(1, 300)}, "])
    section = rng.choice(["", f"Sec. {rng.randrange(1, 6)}, "])
    kind = rng.choice(["Rd.", "St.", "Road"])
    country = rng.choice(["", ", Taiwan", ", Taiwan (R.O.C.)"])
    return f"{floor}No. {rng.randrange(1, 500)}, {lane}{section}{rng.choice(ROADS_EN)} {kind}, {district}, {city}{country}"


def email(rng: random.Random) -> str:
    """Return an e-mail address."""
    value = f"{rng.choice(MAIL_NAMES)}@{rng.choice(MAIL_HOSTS)}"
    draw = rng.random()
    return value if draw < 0.85 else value.replace("@", "＠") if draw < 0.93 else value.upper()


def with_luhn(body: str) -> str:
    """Return the digits with the digit that makes the alternating sum a multiple of ten."""
    total = 0
    for place, sign in enumerate(reversed(body)):
        number = int(sign) * (2 if place % 2 == 0 else 1)
        total += number if number < 10 else number - 9
    return body + str((10 - total % 10) % 10)


def card(rng: random.Random) -> str:
    """Return the number of a payment card of a range that an issuer has."""
    start, length = rng.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("2720", 16),
            ("3528", 16),
            ("3589", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("65", 16),
            ("36", 14),
            ("62", 16),
            ("4", 16),
            ("53", 16),
        ]
    )
    value = with_luhn(start + digits(rng, length - len(start) - 1))
    if length == 16:
        groups = [value[place : place + 4] for place in range(0, 16, 4)]
        return styled(value, rng, " ".join(groups), "-".join(groups))
    groups = [value[:4], value[4:10], value[10:]]
    return styled(value, rng, " ".join(groups), "-".join(groups))


def iban_remainder(value: str) -> int:
    """Return the number of an IBAN modulo 97, digit by digit."""
    remainder = 0
    for sign in value[4:] + value[:4]:
        for figure in sign if sign.isdigit() else str(ord(sign) - 55):
            remainder = (remainder * 10 + int(figure)) % 97
    return remainder


def iban(rng: random.Random) -> str:
    """Return an IBAN of one of six countries."""
    country = rng.choice(list(IBAN_SHAPES))
    body, shape = "", IBAN_SHAPES[country]
    while shape:
        cut = next(place for place, sign in enumerate(shape) if sign.isalpha())
        signs = {"n": "0123456789", "a": "ABCDEFGHJKLMNPRST", "c": "0123456789ABCDEF"}[shape[cut]]
        body += "".join(rng.choice(signs) for _ in range(int(shape[:cut])))
        shape = shape[cut + 1 :]
    value = f"{country}{98 - iban_remainder(country + '00' + body):02d}{body}"
    spaced = " ".join(value[place : place + 4] for place in range(0, len(value), 4))
    draw = rng.random()
    return (
        spaced
        if draw < 0.5
        else value
        if draw < 0.85
        else value.lower()
        if draw < 0.92
        else spaced.replace(" ", "-")
    )


def off_by_one(make: Callable[[random.Random], str]) -> Maker:
    """Return a maker of values whose last digit is not the right one."""

    def made(rng: random.Random) -> str:
        value = make(rng)
        wrong = str((int(value[-1]) + rng.randrange(1, 10)) % 10)
        return value[:-1] + wrong

    return made


def bad_business(rng: random.Random) -> str:
    """Return eight digits that neither rule accepts."""
    while True:
        value = digits(rng, 8)
        if not is_business(value):
            return value


def bad_iban(rng: random.Random) -> str:
    """Return an IBAN of the right length with two wrong check digits."""
    body = digits(rng, 20)
    right = 98 - iban_remainder("SE00" + body)
    return f"SE{(right + rng.randrange(1, 90)) % 97:02d}{body}"


def order(rng: random.Random) -> str:
    """Return an order number."""
    return rng.choice(
        [
            f"TW{digits(rng, 10)}",
            f"2026{digits(rng, 10)}",
            f"{rng.choice('ABKP')}{digits(rng, 9)}",
            f"{digits(rng, 3)}-{digits(rng, 7)}",
        ]
    )


def calendar(rng: random.Random) -> date:
    """Return a day of this century."""
    return date(2001, 1, 1) + timedelta(days=rng.randrange(9400))


def a_date(rng: random.Random) -> str:
    """Return a date in one of many notations."""
    day = calendar(rng)
    return rng.choice(
        [
            f"{day:%Y-%m-%d}",
            f"{day:%Y/%m/%d}",
            f"{day:%Y%m%d}",
            f"{day:%d.%m.%Y}",
            f"{day.year}年{day.month}月{day.day}日",
        ]
    )


def roc_date(rng: random.Random) -> str:
    """Return a date of the Republic's calendar."""
    day = calendar(rng)
    year = day.year - 1911
    return rng.choice(
        [
            f"民國{year}年{day.month}月{day.day}日",
            f"{year}.{day.month:02d}.{day.day:02d}",
            f"{year:03d}{day.month:02d}{day.day:02d}",
            f"{year}/{day.month}/{day.day}",
            f"民國九十{HAN_DIGITS[rng.randrange(1, 10)]}年{HAN_DIGITS[rng.randrange(1, 10)]}月五日",
        ]
    )


def article(rng: random.Random) -> str:
    """Return the place of a rule in a statute."""
    number = rng.randrange(1, 1200)
    return rng.choice(
        [
            f"第{number}條",
            f"第{number}條之{rng.randrange(1, 9)}第{rng.randrange(1, 5)}項",
            "第一百八十四條第一項",
        ]
    )


def case_number(rng: random.Random) -> str:
    """Return the number of a case before a court."""
    return f"{rng.randrange(100, 116)}年度{rng.choice(['訴字', '上易字', '簡字', '聲字'])}第{rng.randrange(1, 99999)}號"


def document_number(rng: random.Random) -> str:
    """Return the number of an official letter."""
    return f"{rng.choice(['府授', '台內', '北市教'])}{rng.choice(['工字', '民字', '國字'])}第{rng.randrange(100, 116)}{digits(rng, 7)}號函"


def with_isbn(rng: random.Random) -> str:
    """Return an ISBN of thirteen digits."""
    body = "978957" + digits(rng, 6)
    total = sum(int(sign) * (3 if place % 2 else 1) for place, sign in enumerate(body))
    value = body + str(-total % 10)
    return rng.choice([value, f"{value[:3]}-{value[3:6]}-{value[6:8]}-{value[8:12]}-{value[12]}"])


def serial(length: int, start: str = "") -> Maker:
    """Return a maker of serial numbers."""
    return lambda rng: start + digits(rng, length - len(start))


PERSONAL: Mapping[str, Maker] = {
    "national_id": national_id,
    "arc": arc,
    "ubn": ubn,
    "mobile": mobile,
    "landline": landline,
    "passport": passport,
    "health_card": health_card,
    "plate": plate,
    "address": address,
    "address_en": address_en,
    "email": email,
    "card": card,
    "iban": iban,
}
HARMLESS: Mapping[str, Maker] = {
    "order": order,
    "serial8": serial(8),
    "serial10": serial(10, "09"),
    "serial10x": serial(10, "11"),
    "serial11": serial(11),
    "serial12": serial(12),
    "serial13": serial(13, "471"),
    "bad_id": off_by_one(lambda rng: identity(rng, rng.choice("12"))),
    "bad_arc": off_by_one(lambda rng: identity(rng, rng.choice("89ABCD"))),
    "bad_ubn": bad_business,
    "bad_card": off_by_one(lambda rng: with_luhn("4" + digits(rng, 14))),
    "bad_iban": bad_iban,
    "date": a_date,
    "roc_date": roc_date,
    "rocyear": lambda rng: str(rng.randrange(60, 115)),
    "article": article,
    "amount": lambda rng: f"{rng.randrange(1000, 99_000_000):,}",
    "case": case_number,
    "case_en": lambda rng: f"{rng.randrange(2001, 2026)}-{rng.choice('CVFA')}-{digits(rng, 6)}",
    "docno": document_number,
    "isbn": with_isbn,
    "imei": lambda rng: with_luhn("35" + digits(rng, 12)),
    "model": lambda rng: (
        f"{rng.choice(['HP', 'RAS', 'FT', 'LBP'])}-{digits(rng, 4)}{rng.choice(['', 'W', 'NB'])}"
    ),
    "route": lambda rng: rng.choice(["307", "藍15", "235", "9117", "紅32"]),
    "time": lambda rng: f"{rng.randrange(0, 24):02d}:{rng.randrange(0, 60):02d}",
    "percent": lambda rng: f"{rng.randrange(1, 99)}.{digits(rng, 2)}%",
    "ip": lambda rng: ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    "version": lambda rng: f"v{rng.randrange(1, 30)}.{rng.randrange(0, 20)}.{rng.randrange(0, 2000)}",
    "num": lambda rng: str(rng.randrange(2, 999)),
    "invoice": lambda rng: f"{rng.choice('ABCDEF')}{rng.choice('XYZWV')}-{digits(rng, 8)}",
}
