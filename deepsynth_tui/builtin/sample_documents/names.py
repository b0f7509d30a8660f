"""Fictional people, shops and places."""

from __future__ import annotations

import random

FIRST = (
    *("Ada", "Bela", "Carl", "Dora", "Emil", "Frida", "Gustav", "Hanna", "Igor", "Jana", "Karim"),
    *("Lena", "Marko", "Nora", "Otto", "Petra", "Ruben", "Selma", "Tomas", "Ursula", "Vera"),
    "Yusuf",
)
LAST = (
    *("Aldoun", "Bergholm", "Castell", "Dahlin", "Eskov", "Farrow", "Grunt", "Hollis", "Ivarsen"),
    *("Jarosz", "Kranz", "Lindal", "Morvan", "Nyberg", "Oduya", "Pellew", "Quist", "Rastov"),
    *("Sandoval", "Tervik", "Ullman", "Verdal", "Wexford", "Yoder", "Zamora"),
)
PLACES = (
    *("Harbour", "Mill", "Bridge", "Station", "Market", "Church", "Garden", "River", "Castle"),
    *("Forest", "Park", "Hill", "Lake", "Tower", "North", "South", "East", "West", "Old Town"),
)
COMPANIES = ("Water Works", "Power & Gas", "Insurance", "Telecom", "Print Shop", "Dental Care")
CLUBS = ("Choir", "Chess Club", "Museum", "Library", "Theatre", "Rowing Club", "Music School")
SENDERS = ("Books", "Wines", "Seeds", "Lamps", "Toys", "Shoes", "Tools", "Records", "Stamps")


def random_person(rng: random.Random) -> str:
    """Return a first and a last name."""
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def random_company(rng: random.Random, trades: tuple[str, ...]) -> str:
    """Return the name of a company in one of `trades`."""
    return f"{rng.choice((*LAST, *PLACES))} {rng.choice(trades)}"
