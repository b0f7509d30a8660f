"""Days and sums of money, in the ways that papers write them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
FIRST_DAY, DAYS = date(2019, 1, 1), 3000


def day(rng: random.Random) -> date:
    """Return some day."""
    return FIRST_DAY + timedelta(days=rng.randrange(DAYS))


def written(rng: random.Random, when: date) -> str:
    """Return a day in one of five ways, none of which leaves open which number is the month."""
    month = MONTHS[when.month - 1]
    return rng.choice(
        (
            when.isoformat(),
            f"{when.day:02}.{when.month:02}.{when.year}",
            f"{when.day} {month} {when.year}",
            f"{month} {when.day}, {when.year}",
            f"{when.day} {month[:3]} {when.year}",
        )
    )


@dataclass(frozen=True, slots=True)
class Money:
    """How one paper writes sums: its currency, and what stands before the cents."""

    before: str
    after: str
    point: str

    def written(self, cents: int) -> str:
        """Return a sum of so many cents."""
        return f"{self.before}{cents // 100}{self.point}{cents % 100:02}{self.after}"


MONIES = (
    Money("", "", "."),
    Money("", "", ","),
    Money("", " €", ","),
    Money("€", "", "."),
    Money("$", "", "."),
    Money("£", "", "."),
    Money("", " EUR", "."),
    Money("", " CHF", "."),
)


def plain(cents: int) -> str:
    """Return a sum as the answer has it: 17.40."""
    return f"{cents // 100}.{cents % 100:02}"
