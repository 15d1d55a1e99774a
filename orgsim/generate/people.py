"""Names, places and words, in several scripts, that generated rows are made of. All of them are invented."""
# ruff: noqa: RUF001  # letters of other scripts and look-alikes are what this data is for

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the world: its names, its cities (with state and postal code), its time zone and dialling code."""

    country: str
    country_iso: str
    time_zone: str
    utc_offset_h: int
    dial: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]
    streets: tuple[str, ...]
    latin: bool = True


REGIONS: Final = (
    Region(
        "United States", "US", "America/Chicago", -6, "+1",
        ("Avery", "Brianna", "Caleb", "Danielle", "Ethan", "Faith", "Gavin", "Harper", "Isaac", "Jocelyn", "Kendra",
         "Logan", "Marisol", "Nolan", "Olivia", "Parker", "Quinn", "Renée", "Sawyer", "Tessa", "Victor", "Wesley"),
        ("Abbott", "Barlow", "Castellanos", "Delacroix", "Everhart", "Fitzgerald", "Gallagher", "Hargrove", "Iverson",
         "Jeffers", "Kowalski", "Lindqvist", "McAllister", "Nakamura", "O'Rourke", "Pemberton", "Quigley", "Rosario",
         "St. John", "Thibodeaux", "Underhill", "Vasquez", "Whitfield", "Yarborough", "Zimmerman"),
        (("Chicago", "IL", "60607"), ("Austin", "TX", "78701"), ("Portland", "OR", "97204"), ("Boston", "MA", "02110")),
        ("1 Market St.", "200 Pine Ave\nSuite 40", "77 W. Lake Dr.", '12 "B" Street'),
    ),
    Region(
        "Germany", "DE", "Europe/Berlin", 1, "+49",
        ("Anneliese", "Björn", "Dörte", "Florian", "Greta", "Holger", "Jürgen", "Käthe", "Lukas", "Mareike", "Rüdiger",
         "Sören", "Ute", "Wolfgang"),
        ("Bäumer", "Dreßler", "Fröhlich", "Großmann", "Hübner", "Jäger", "Köhler", "Löffler", "Müller-Lüdenscheidt",
         "Österreich", "Schäfer", "Strauß", "Weiß", "Zöllner"),
        (("München", "Bayern", "80331"), ("Köln", "Nordrhein-Westfalen", "50667"), ("Görlitz", "Sachsen", "02826")),
        ("Königstraße 12", "Am Weißen Stein 3\r\nHinterhaus", "Straße des 17. Juni 135"),
    ),
    Region(
        "France", "FR", "Europe/Paris", 1, "+33",
        ("Amélie", "Benoît", "Chloé", "Édouard", "Françoise", "Gaël", "Hélène", "Jérôme", "Loïc", "Maëlle", "Noémie"),
        ("Béranger", "Châtelain", "d'Estrées", "Fauré", "Guérin", "Lefèvre", "Noël", "Pélissier", "Rousseau"),
        (("Paris", "Île-de-France", "75008"), ("Besançon", "Bourgogne-Franche-Comté", "25000")),
        ("14, rue de l'Église", "3 bis, quai d'Orléans\nBât. C"),
    ),
    Region(
        "Brazil", "BR", "America/Sao_Paulo", -3, "+55",
        ("Antônio", "Conceição", "João", "Luíza", "Márcio", "Thaís", "Vinícius"),
        ("Araújo", "Brandão", "Conceição", "Gonçalves", "Magalhães", "Simões"),
        (("São Paulo", "SP", "01310-100"), ("Florianópolis", "SC", "88015-200")),
        ("Av. Paulista, 1000, conj. 52", "Rua São João, 7"),
    ),
    Region(
        "Poland", "PL", "Europe/Warsaw", 1, "+48",
        ("Agnieszka", "Grażyna", "Łukasz", "Małgorzata", "Paweł", "Stanisław", "Żaneta"),
        ("Brzęczyszczykiewicz", "Dąbrowska", "Głowacki", "Kościuszko", "Wiśniewski", "Źrebiec"),
        (("Łódź", "Łódzkie", "90-001"), ("Kraków", "Małopolskie", "31-042")),
        ("ul. Święty Marcin 5/7", "Plac Wolności 1"),
    ),
    Region(
        "India", "IN", "Asia/Kolkata", 5, "+91",
        ("Aarav", "Deepika", "Ishaan", "Kavya", "Meera", "Rohan", "Sanjana", "Vikram"),
        ("Bhattacharya", "Chatterjee", "Iyer", "Krishnamurthy", "Patel", "Ramaswamy", "Venkataraman"),
        (("Bengaluru", "Karnataka", "560001"), ("Pune", "Maharashtra", "411001")),
        ("4th Block, Koramangala", "Plot #12, M.G. Road\nNear Metro"),
    ),
    Region(
        "Japan", "JP", "Asia/Tokyo", 9, "+81",
        ("さくら", "健太", "美咲", "翔太", "陽子", "大輔"),
        ("佐藤", "鈴木", "高橋", "渡邉", "𠮷田", "小林"),
        (("東京都千代田区", "東京都", "100-0001"), ("大阪市北区", "大阪府", "530-0001")),
        ("丸の内1-1-1", "梅田2-4-9\nブリーゼタワー 12階"),
        latin=False,
    ),
    Region(
        "China", "CN", "Asia/Shanghai", 8, "+86",
        ("伟", "芳", "秀英", "敏", "静", "磊"),
        ("王", "李", "张", "欧阳", "司马"),
        (("上海市", "上海", "200120"), ("深圳市", "广东省", "518000")),
        ("世纪大道100号", "科技园南区，8栋"),
        latin=False,
    ),
    Region(
        "United Arab Emirates", "AE", "Asia/Dubai", 4, "+971",
        ("فاطمة", "محمد", "ليلى", "يوسف", "مريم"),
        ("الهاشمي", "بن راشد", "القاسمي", "العتيبي"),
        (("دبي", "دبي", "00000"), ("أبوظبي", "أبوظبي", "00000")),
        ("شارع الشيخ زايد", "برج الأعمال، الطابق ٧"),
        latin=False,
    ),
)  # fmt: skip

LATIN_REGIONS: Final = tuple(region for region in REGIONS if region.latin)
REGION_WEIGHTS: Final = (34, 16, 10, 6, 6, 10, 8, 6, 4)

COMPANY_STEMS: Final = (
    "Alderbrook", "Blåfjell", "Cindertop", "Dunmore", "Eisenhain", "Farrow & Sons", "Grünwald", "Harbourline",
    "Île Verte", "Juniper", "Kestrel", "Lumière", "Moorgate", "Ñandú", "Ormskirk", "Påskeøya", "Quillfeather",
    "Rothbury", "Sørensen", "Tamarack", "Úrsula", "Vantage", "Wörth", "Xylem", "Ysgol", "Żubr", "O'Hara",
    '"Blue" Lagoon', "Smith, Jones", "50/50",
)  # fmt: skip
COMPANY_KINDS: Final = (
    "Logistics", "Systems", "Holdings", "Foods", "Energy", "Textiles", "Robotics", "Partners", "Instruments",
    "Pharma", "Media", "Consulting", "Shipping", "Bau", "Versicherungen", "Électricité",
)  # fmt: skip
COMPANY_FORMS: Final = ("Inc.", "Ltd", "GmbH & Co. KG", "S.A.", "LLC", "AG", "S.r.l.", "B.V.", "Pty Ltd", "K.K.")
COMPANY_WHOLE: Final = (
    "株式会社さくらシステム", "上海明珠贸易有限公司", "شركة النخيل للتجارة", "ООО «Север»", "Ελληνική Ναυτιλία Α.Ε.",
    "한빛전자 주식회사", "בית הדפוס בע״מ", "Zoë's Café ☕ & Bäckerei 🥐", "Team 🚀 Rocket",
    "Cafe\u0301 De\u0301compose\u0301",
    "ACME <b>&amp;</b> Co; DROP TABLE", "Tab\tand comma, Ltd", "=SUM(1,2) Analytics", "Null", "N/A Group",
    "-12 Degrees",
)  # fmt: skip

NOTES: Final = (
    "Met at the spring fair. Wants a call back.",
    "Line one\nLine two\n\nLine four after a blank one",
    "Windows line\r\nendings\r\nkept as they came",
    'She said: "send the quote, please", then hung up.',
    'Quotes "" doubled and single \' and back \\ slash',
    "Semicolon; pipe | caret ^ back`quote and\ttab",
    "#N/A in the middle is only text",
    "#n/a",
    "Price: 1.234,56 € – “typographic” quotes… and a non\u00a0breaking space",
    "Emoji 👩‍👩‍👧‍👦 family, flag 🇪🇺, skin 👍🏽, and a rare sign 𝒳",
    "Combining: e\u0301 a\u0308 o\u0302 and the same composed: é ä ô",
    "مرحبا بالعالم — نص من اليمين إلى اليسار with English inside",
    "日本語のメモ。改行の\n後にも続きます。",
    "null", "true", "007", "1e5", "2024-02-30",
)  # fmt: skip

DEPARTMENTS: Final = (
    "Sales",
    "Service",
    "Marketing",
    "Finance",
    "Operations",
    "Field Service",
    "Events",
    "IT",
    "Legal",
)


def person(rng: random.Random, *, latin: bool = False) -> tuple[Region, str, str]:
    """Draw a region, a first and a last name."""
    if latin:
        region = rng.choices(LATIN_REGIONS, REGION_WEIGHTS[: len(LATIN_REGIONS)])[0]
    else:
        region = rng.choices(REGIONS, REGION_WEIGHTS)[0]
    return region, rng.choice(region.first_names), rng.choice(region.last_names)


def ascii_name(text: str) -> str:
    """Return a name as it would stand in an e-mail address: `Müller-Lüdenscheidt` becomes `muller-ludenscheidt`."""
    replaced = text.replace("ß", "ss").replace("Ł", "L").replace("ł", "l").replace("ø", "o").replace("Ø", "O")
    plain = unicodedata.normalize("NFKD", replaced).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in plain if letter.isalnum() or letter == "-").strip("-") or "x"


def phone(rng: random.Random, region: Region) -> str:
    """Draw a number from the range that is reserved for fiction (555-01xx), in one of three notations."""
    number = f"555-01{rng.randrange(100):02d}"
    return rng.choice(
        (
            f"{region.dial} {rng.randrange(100, 999)} {number}",
            f"({rng.randrange(200, 999)}) {number}",
            f"{number} x{rng.randrange(9999)}",
        )
    )
