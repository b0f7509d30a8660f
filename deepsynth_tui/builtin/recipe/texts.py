"""Random texts for training and evaluation, in lines that fit a small page."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

from deepsynth_tui.builtin.recipe.words import common_word, random_word

# In lower-case letters: 240 pixels in the widest font at a font size of 15.
MAX_LINE_WIDTH = 24
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
CURRENCIES = ("€", "$", "£", "EUR", "USD", "CHF")
LABELS = (
    *("Total", "Subtotal", "Date", "Ref", "No.", "Order", "Invoice", "Due", "Amount", "Tax"),
    *("Name", "Phone", "Room", "Ticket", "Balance", "Paid", "From", "To", "Size", "Weight"),
    *("Code", "Item", "Qty", "Table", "Gate", "Page"),
)
SYMBOLS = "!\"#$%&'()*+,-./:;<=>?@[]_{|}~€£§°"


def documents(
    seed: int, count: int, *, lines: int, held_out: bool, width: float = MAX_LINE_WIDTH
) -> Iterator[str]:
    """Yield `count` texts of 1 to `lines` lines no wider than `width`; a seed fixes all of them.

    Made-up words of a `held_out` text satisfy `words.is_held_out`, those of other texts do not.
    """
    rng = random.Random(f"{seed}:{held_out}")
    generator = _LineGenerator(rng, held_out=held_out)
    for _ in range(count):
        # Full pages are the hardest, so they are more frequent.
        number = lines if rng.random() < 0.4 else rng.randint(1, lines)
        yield "\n".join(generator.line(width) for _ in range(number))


def line_width(text: str) -> float:
    """Return the approximate width of a line, in lower-case letters of a sans-serif font."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> float:
    if character in "ijl.,:;'|!I()[] ":
        return 0.75
    if character in "mwMW@%œæ":
        return 1.5
    return 1.2 if character.isupper() or not character.isalpha() else 1.0


class _LineGenerator:
    """Generates lines of random kinds."""

    def __init__(self, rng: random.Random, *, held_out: bool) -> None:
        self.rng = rng
        self.held_out = held_out
        self.kind_weights: dict[Callable[[], str], float] = {
            self.prose: 8.0,
            self.characters: 2.0,
            self.name: 1.0,
            self.date: 1.0,
            self.price: 1.5,
            self.labelled_value: 1.5,
            self.address: 0.7,
            self.contact: 0.7,
            self.number: 0.6,
        }

    def line(self, width: float) -> str:
        """Return a line no wider than `width`; lines that are too wide are discarded."""
        while True:
            kind = self.rng.choices(list(self.kind_weights), list(self.kind_weights.values()))[0]
            text = self.prose(width) if kind == self.prose else kind()
            if line_width(text) <= width:
                return text

    def word(self) -> str:
        """Return a word in lower case, capitalized or in capitals."""
        rng = self.rng
        is_common = rng.random() < 0.25
        text = common_word(rng) if is_common else random_word(rng, held_out=self.held_out)
        form = rng.random()
        if form < 0.18:
            return text.capitalize()
        return text.upper() if form < 0.24 else text

    def prose(self, width: float = MAX_LINE_WIDTH) -> str:
        """Return words with punctuation, up to a random part of `width`."""
        rng = self.rng
        max_width = width * rng.choice((0.4, 0.7, 1.0, 1.0, 1.0))
        text = ""
        while True:
            word = self._punctuated(self.word() if rng.random() < 0.94 else self.number())
            longer = f"{text} {word}" if text else word
            if line_width(longer) > max_width:
                return text or word
            text = longer

    def _punctuated(self, word: str) -> str:
        form = self.rng.random()
        if form < 0.74:
            return word
        if form < 0.93:
            return word + self.rng.choice(",,,...;:!?")
        opening, closing = self.rng.choice(("()", '""', "''", "[]", "--", "//"))
        return f"{opening}{word}{closing}"

    def characters(self) -> str:
        """Return groups of random characters."""
        rng = self.rng
        alphabet = rng.choice(
            (
                string.digits,
                string.ascii_uppercase + string.digits,
                string.ascii_lowercase,
                string.ascii_letters,
                string.ascii_letters + string.digits + SYMBOLS,
                string.ascii_letters + string.digits + SYMBOLS,
            )
        )
        groups = rng.randint(1, 3)
        return " ".join("".join(rng.choices(alphabet, k=rng.randint(1, 8))) for _ in range(groups))

    def name(self) -> str:
        """Return the name of a person or a company."""
        rng = self.rng
        first, last = self._name(), self._name()
        middle = rng.choice(("", "", f"{rng.choice(string.ascii_uppercase)}. "))
        title = rng.choice(("", "", "", "Mr. ", "Ms. ", "Dr. "))
        return (
            title
            + first
            + " "
            + middle
            + last
            + rng.choice(("", "", "", " & Co.", " Ltd.", " GmbH"))
        )

    def _name(self) -> str:
        return random_word(self.rng, held_out=self.held_out).capitalize()

    def date(self) -> str:
        """Return a date in a random format, sometimes with a time."""
        rng = self.rng
        year, month, day = rng.randint(1950, 2049), rng.randint(1, 12), rng.randint(1, 28)
        name = MONTHS[month - 1]
        text = rng.choice(
            (
                f"{year}-{month:02}-{day:02}",
                f"{day:02}.{month:02}.{year}",
                f"{day}.{month}.{year % 100:02}",
                f"{month:02}/{day:02}/{year}",
                f"{day} {name} {year}",
                f"{name} {day}, {year}",
                f"{name[:3]} {day} {year}",
            )
        )
        return text + rng.choice(("", "", f" {rng.randint(0, 23):02}:{rng.randint(0, 59):02}"))

    def amount(self) -> str:
        """Return a sum of money."""
        rng = self.rng
        value = rng.randint(1, 10 ** rng.randint(2, 7)) / 100
        text = f"{value:,.2f}"
        if rng.random() < 0.4:
            text = text.translate(str.maketrans(",.", ".,"))
        currency = rng.choice(CURRENCIES)
        form = rng.random()
        if form < 0.3:
            return text
        return f"{currency}{text}" if form < 0.65 and len(currency) == 1 else f"{text} {currency}"

    def price(self) -> str:
        """Return a line of a receipt: an article and its price."""
        rng = self.rng
        count = rng.choice(("", "", f"{rng.randint(1, 24)} x ", f"{rng.randint(1, 24)} "))
        return f"{count}{self.word()} {self.amount()}"

    def labelled_value(self) -> str:
        """Return a label and its value."""
        rng = self.rng
        label = rng.choice(LABELS)
        label = label.upper() if rng.random() < 0.2 else label
        value = rng.choice((self.amount, self.date, self.number, self.word, self._code))()
        return f"{label}{rng.choice((': ', ': ', ' ', ' = '))}{value}"

    def _code(self) -> str:
        rng = self.rng
        letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
        return f"{letters}{rng.choice('-/ ')}{rng.randint(10, 99999)}"

    def number(self) -> str:
        """Return a number, most often with a unit or a sign."""
        rng = self.rng
        value = rng.randint(0, 10 ** rng.randint(1, 6))
        return rng.choice(
            (
                f"{value}",
                f"{value:,}",
                f"{rng.randint(0, 100)}%",
                f"#{value}",
                f"+{value}",
                f"{value / 10} kg",
                f"{value} m",
                f"{rng.randint(0, 40)}°C",
                f"No. {value}",
            )
        )

    def address(self) -> str:
        """Return a street with a house number, or a postal code with a town."""
        rng = self.rng
        kind = rng.choice(("Street", "St.", "Road", "Ave", "Lane", "Weg"))
        return rng.choice(
            (
                f"{rng.randint(1, 999)} {self._name()} {kind}",
                f"{rng.randint(10000, 99999)} {self._name()}",
                f"{self._name()} {rng.randint(1, 200)}{rng.choice(('', 'a', 'B'))}",
            )
        )

    def contact(self) -> str:
        """Return a telephone number, an email address or a website."""
        rng = self.rng
        name = random_word(rng, held_out=self.held_out)
        site = (
            f"{random_word(rng, held_out=self.held_out)}.{rng.choice(('com', 'org', 'net', 'de'))}"
        )
        return rng.choice(
            (
                f"+{rng.randint(1, 99)} {rng.randint(10, 999)} {rng.randint(1000, 9999999)}",
                f"({rng.randint(100, 999)}) {rng.randint(100, 999)}-{rng.randint(1000, 9999)}",
                f"{name}@{site}",
                f"www.{site}",
            )
        )
