"""Receipts, letters, notices and labels of 3 to 6 lines, none wider than a small page bears."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deepsynth_tui.builtin.sample_documents.amounts import MONIES, day, plain, written
from deepsynth_tui.builtin.sample_documents.names import (
    CLUBS,
    COMPANIES,
    PLACES,
    SENDERS,
    firm,
    person,
)

WIDEST = 26
"""Characters of a line, about what 240 pixels hold at 14 pixels; a test measures each."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper and what can be asked about it: what is to be paid, when and by whom it was sent."""

    kind: str
    text: str
    total: str
    date: str
    sender: str


SHOPS: Mapping[str, Mapping[str, int]] = {
    # What they sell, and for about how many cents.
    "Bakery": {"Rye loaf": 380, "Rolls": 210, "Plum tart": 450, "Coffee": 260, "Bagel": 190},
    "Pharmacy": {"Cough syrup": 890, "Plasters": 340, "Tea": 420, "Vitamin C": 650, "Cream": 1120},
    "Hardware": {"Screws": 480, "Hammer": 1890, "Paint": 2450, "Brush": 390, "Glue": 560},
    "Books": {"Novel": 1290, "Atlas": 3400, "Pencil": 120, "Notebook": 450, "Map": 790},
    "Café": {"Espresso": 240, "Soup": 690, "Cake": 410, "Juice": 350, "Sandwich": 720},
    "Grocery": {"Milk": 140, "Apples": 320, "Rice": 270, "Cheese": 560, "Butter": 290},
    "Flowers": {"Roses": 1450, "Tulips": 890, "Fern": 1200, "Vase": 1790, "Ribbon": 150},
    "Garage": {"Oil": 4200, "Bulb": 890, "Wiper": 1650, "Labour": 7800, "Filter": 1340},
}


def receipt(rng: random.Random) -> Paper:
    """Return what a shop prints: some things and their prices, then the sum."""
    trade = rng.choice(list(SHOPS))
    shop, when, money = firm(rng, (trade,)), day(rng), rng.choice(MONIES)
    things = rng.sample(list(SHOPS[trade].items()), rng.choice((1, 2, 2, 3)))
    priced = [(name, about * rng.randint(70, 140) // 100) for name, about in things]
    total = sum(cents for _, cents in priced)
    lines = [shop if rng.random() < 0.7 else shop.upper(), written(rng, when)]
    lines += [f"{name} {money.written(cents)}" for name, cents in priced]
    lines.append(f"{rng.choice(('Total', 'Total', 'TOTAL', 'Sum'))}: {money.written(total)}")
    if len(lines) < 6 and rng.random() < 0.5:
        lines.append(rng.choice(("Thank you!", "Paid by card", "Paid in cash", "Table 7")))
    return _paper("receipt", lines, total, when.isoformat(), shop)


def letter(rng: random.Random) -> Paper:
    """Return a reminder of a bill."""
    company, when, money = firm(rng, COMPANIES), day(rng), rng.choice(MONIES)
    total, name = rng.randint(1200, 29999), person(rng).split()[1]
    lines = [company, written(rng, when)]
    lines.append(f"Dear {rng.choice(('Mr.', 'Ms.', 'Dr.'))} {name},")
    lines.append(rng.choice(("your bill is due:", "please pay your bill:", "this bill is open:")))
    lines.append(f"{rng.choice(('Amount', 'To pay', 'Total'))}: {money.written(total)}")
    if rng.random() < 0.6:
        lines.append(
            rng.choice(("Yours sincerely", "Many thanks", f"Ref. {rng.randint(100, 9999)}"))
        )
    return _paper("letter", lines, total, when.isoformat(), company)


def notice(rng: random.Random) -> Paper:
    """Return what hangs at a door: something happens, and getting in costs money."""
    club, when, money = firm(rng, CLUBS), day(rng), rng.choice(MONIES)
    total = rng.randint(3, 60) * 50
    what = rng.choice(("Summer concert", "Open evening", "Book sale", "Winter party", "Lecture"))
    lines = [club, what, written(rng, when)]
    if rng.random() < 0.5:
        lines.insert(2, f"{rng.choice(PLACES)} Hall, room {rng.randint(1, 30)}")
    lines.append(f"{rng.choice(('Entry', 'Ticket', 'Fee'))}: {money.written(total)}")
    if rng.random() < 0.5:
        lines.append(rng.choice(("All are welcome", "Doors open at 19:30", "No dogs, please")))
    return _paper("notice", lines, total, when.isoformat(), club)


def label(rng: random.Random) -> Paper:
    """Return what is on a parcel."""
    sender, when, money = firm(rng, SENDERS), day(rng), rng.choice(MONIES)
    total = rng.randint(290, 2490)
    lines = [f"From: {sender}", f"To: {person(rng)}", f"Sent: {written(rng, when)}"]
    if rng.random() < 0.6:
        lines.append(f"Weight: {rng.randint(1, 99) / 10} kg")
    lines.append(f"{rng.choice(('Postage', 'Price', 'To pay'))}: {money.written(total)}")
    if rng.random() < 0.3:
        lines.append(rng.choice(("Fragile!", "This side up", "Keep dry")))
    return _paper("label", lines, total, when.isoformat(), sender)


KINDS: tuple[Callable[[random.Random], Paper], ...] = (receipt, letter, notice, label)


def _paper(kind: str, lines: list[str], total: int, when: str, sender: str) -> Paper:
    if too_wide := [line for line in lines if len(line) > WIDEST]:
        raise ValueError(f"{too_wide[0]!r} is wider than a page")
    return Paper(kind, "\n".join(lines), plain(total), when, sender)
