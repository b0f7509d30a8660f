"""Receipts, letters, notices and labels of 3 to 6 lines that fit a small page."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deepsynth_tui.builtin.sample_documents.amounts import (
    MONEY_FORMATS,
    format_answer,
    format_date,
    random_date,
)
from deepsynth_tui.builtin.sample_documents.names import (
    CLUBS,
    COMPANIES,
    PLACES,
    SENDERS,
    random_company,
    random_person,
)

MAX_LINE_CHARACTERS = 26
"""About what fits into 240 pixels at a font size of 14; a test measures every line."""


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A document and the answers to questions about it: the amount due, the date, the sender."""

    kind: str
    text: str
    total: str
    date: str
    sender: str


SHOPS: Mapping[str, Mapping[str, int]] = {
    # Trade: articles and their typical prices in cents.
    "Bakery": {"Rye loaf": 380, "Rolls": 210, "Plum tart": 450, "Coffee": 260, "Bagel": 190},
    "Pharmacy": {"Cough syrup": 890, "Plasters": 340, "Tea": 420, "Vitamin C": 650, "Cream": 1120},
    "Hardware": {"Screws": 480, "Hammer": 1890, "Paint": 2450, "Brush": 390, "Glue": 560},
    "Books": {"Novel": 1290, "Atlas": 3400, "Pencil": 120, "Notebook": 450, "Map": 790},
    "Café": {"Espresso": 240, "Soup": 690, "Cake": 410, "Juice": 350, "Sandwich": 720},
    "Grocery": {"Milk": 140, "Apples": 320, "Rice": 270, "Cheese": 560, "Butter": 290},
    "Flowers": {"Roses": 1450, "Tulips": 890, "Fern": 1200, "Vase": 1790, "Ribbon": 150},
    "Garage": {"Oil": 4200, "Bulb": 890, "Wiper": 1650, "Labour": 7800, "Filter": 1340},
}


def receipt(rng: random.Random) -> SampleDocument:
    """Return a receipt: articles with their prices, then the total."""
    trade = rng.choice(list(SHOPS))
    shop, day, money = random_company(rng, (trade,)), random_date(rng), rng.choice(MONEY_FORMATS)
    articles = rng.sample(list(SHOPS[trade].items()), rng.choice((1, 2, 2, 3)))
    prices = [(name, typical * rng.randint(70, 140) // 100) for name, typical in articles]
    total = sum(cents for _, cents in prices)
    lines = [shop if rng.random() < 0.7 else shop.upper(), format_date(rng, day)]
    lines += [f"{name} {money.format(cents)}" for name, cents in prices]
    lines.append(f"{rng.choice(('Total', 'Total', 'TOTAL', 'Sum'))}: {money.format(total)}")
    if len(lines) < 6 and rng.random() < 0.5:
        lines.append(rng.choice(("Thank you!", "Paid by card", "Paid in cash", "Table 7")))
    return _document("receipt", lines, total, day.isoformat(), shop)


def letter(rng: random.Random) -> SampleDocument:
    """Return a letter about an unpaid bill."""
    company, day, money = (
        random_company(rng, COMPANIES),
        random_date(rng),
        rng.choice(MONEY_FORMATS),
    )
    total, name = rng.randint(1200, 29999), random_person(rng).split()[1]
    lines = [company, format_date(rng, day)]
    lines.append(f"Dear {rng.choice(('Mr.', 'Ms.', 'Dr.'))} {name},")
    lines.append(rng.choice(("your bill is due:", "please pay your bill:", "this bill is open:")))
    lines.append(f"{rng.choice(('Amount', 'To pay', 'Total'))}: {money.format(total)}")
    if rng.random() < 0.6:
        lines.append(
            rng.choice(("Yours sincerely", "Many thanks", f"Ref. {rng.randint(100, 9999)}"))
        )
    return _document("letter", lines, total, day.isoformat(), company)


def notice(rng: random.Random) -> SampleDocument:
    """Return a notice of an event and its entrance fee."""
    club, day, money = random_company(rng, CLUBS), random_date(rng), rng.choice(MONEY_FORMATS)
    total = rng.randint(3, 60) * 50
    event = rng.choice(("Summer concert", "Open evening", "Book sale", "Winter party", "Lecture"))
    lines = [club, event, format_date(rng, day)]
    if rng.random() < 0.5:
        lines.insert(2, f"{rng.choice(PLACES)} Hall, room {rng.randint(1, 30)}")
    lines.append(f"{rng.choice(('Entry', 'Ticket', 'Fee'))}: {money.format(total)}")
    if rng.random() < 0.5:
        lines.append(rng.choice(("All are welcome", "Doors open at 19:30", "No dogs, please")))
    return _document("notice", lines, total, day.isoformat(), club)


def label(rng: random.Random) -> SampleDocument:
    """Return the label of a parcel."""
    sender, day, money = random_company(rng, SENDERS), random_date(rng), rng.choice(MONEY_FORMATS)
    total = rng.randint(290, 2490)
    lines = [f"From: {sender}", f"To: {random_person(rng)}", f"Sent: {format_date(rng, day)}"]
    if rng.random() < 0.6:
        lines.append(f"Weight: {rng.randint(1, 99) / 10} kg")
    lines.append(f"{rng.choice(('Postage', 'Price', 'To pay'))}: {money.format(total)}")
    if rng.random() < 0.3:
        lines.append(rng.choice(("Fragile!", "This side up", "Keep dry")))
    return _document("label", lines, total, day.isoformat(), sender)


TEMPLATES: tuple[Callable[[random.Random], SampleDocument], ...] = (receipt, letter, notice, label)


def _document(kind: str, lines: list[str], total: int, day: str, sender: str) -> SampleDocument:
    if too_long := [line for line in lines if len(line) > MAX_LINE_CHARACTERS]:
        raise ValueError(f"{too_long[0]!r} is too long for a page")
    return SampleDocument(kind, "\n".join(lines), format_answer(total), day, sender)
