"""Names and ids of characters and planets, and the cargo of deliveries.

Sizes beyond the lists repeat them with a number: `char_fry_2`, `planet_mars_2`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

_CHARACTERS = (
    ("Fry", "human", "delivery boy"),
    ("Leela", "mutant", "captain"),
    ("Bender", "robot", "cook"),
    ("Farnsworth", "human", "professor"),
    ("Zoidberg", "decapodian", "doctor"),
    ("Amy", "human", "intern"),
    ("Hermes", "human", "bureaucrat"),
    ("Nibbler", "nibblonian", "pet"),
    ("Scruffy", "human", "janitor"),
    ("Kif", "amphibiosan", "lieutenant"),
    ("Zapp", "human", "general"),
    ("Mom", "human", "industrialist"),
    ("Cubert", "human", "pupil"),
    ("Dwight", "human", "pupil"),
    ("LaBarbara", "human", "dancer"),
    ("Calculon", "robot", "actor"),
    ("Flexo", "robot", "bending unit"),
    ("Lrrr", "omicronian", "ruler"),
    ("Ndnd", "omicronian", "queen"),
    ("Morbo", "alien", "newsreader"),
    ("Linda", "human", "newsreader"),
    ("URL", "robot", "police officer"),
    ("Smitty", "human", "police officer"),
    ("Roberto", "robot", "bank robber"),
)
_PLANETS = (
    ("Earth", "temperate"),
    ("Mars", "dusty"),
    ("Omicron Persei 8", "dry"),
    ("Amphibios 9", "swamp"),
    ("Decapod 10", "ocean"),
    ("Chapek 9", "metal"),
    ("Eternium", "barren"),
    ("Wormulon", "jungle"),
    ("Cannibalon", "jungle"),
    ("Neutral Planet", "temperate"),
    ("Trisol", "desert"),
    ("Stumbos 4", "heavy"),
    ("Vergon 6", "hollow"),
    ("Doohan 6", "highland"),
    ("Nude Beach Planet", "tropical"),
    ("Spheron 1", "round"),
    ("Halley", "ice"),
    ("Sicily 8", "volcanic"),
    ("Osiris 4", "desert"),
    ("Dogdoo 8", "swamp"),
    ("Moon", "airless"),
    ("Mercury", "hot"),
    ("Neptune", "ice"),
    ("Jupiter", "gas"),
    ("Globetrotter Homeworld", "temperate"),
    ("Hospital Asteroid", "airless"),
    ("Tarantulon 6", "silk"),
    ("Amazonia", "jungle"),
    ("Bogad", "swamp"),
    ("Thuban 9", "cold"),
)
_CARGO = (
    "popplers",
    "dark matter",
    "Slurm",
    "pillows",
    "robot oil",
    "candy hearts",
    "atomic pizza",
    "a crate",
)


@dataclass(frozen=True, slots=True)
class Inhabitants:
    """One kind of entity: Arrow string columns of equal length; `metadata` is JSON text."""

    ids: pa.Array
    names: pa.Array
    metadata: pa.Array


def characters(count: int) -> Inhabitants:
    """The first `count` characters: `char_fry`, `char_leela`, ..."""
    people = [(name, {"species": species, "role": role}) for name, species, role in _CHARACTERS]
    return _inhabitants("char", people, count)


def planets(count: int) -> Inhabitants:
    """The first `count` planets: `planet_earth`, `planet_mars`, ..."""
    return _inhabitants("planet", [(name, {"climate": climate}) for name, climate in _PLANETS], count)


def cargo_metadata() -> pa.Array:
    """The possible metadata of a delivery: JSON objects as text."""
    return pa.array([json.dumps({"cargo": cargo}) for cargo in _CARGO], type=pa.string())


def _inhabitants(prefix: str, known: list[tuple[str, dict[str, str]]], count: int) -> Inhabitants:
    names, metadata = [], []
    for number in range(count):
        lap, place = divmod(number, len(known))
        name, facts = known[place]
        names.append(f"{name} {lap + 1}" if lap else name)
        metadata.append(json.dumps(facts))
    ids = [f"{prefix}_{name.lower().replace(' ', '_')}" for name in names]
    return Inhabitants(*(pa.array(column, type=pa.string()) for column in (ids, names, metadata)))
