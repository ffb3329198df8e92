"""What the name of a class tells about the car, as Stanford Cars names them: make, model, body type, year ("Audi A5 Coupe 2012").

Of names that are built otherwise the make is the first word; the body type and the year are "" where the name has none.
"""

import re
from dataclasses import dataclass

TWO_WORD_MAKES = ("AM General", "Alfa Romeo", "Aston Martin", "Land Rover", "Rolls Royce")
BODIES = {
    "Sedan": r"sedan|saloon",
    "SUV": r"suv",
    "Coupe": r"coup[eé]",
    "Convertible": r"convertible|cabriolet|roadster|spyder|spider",
    "Hatchback": r"hatchback",
    "Wagon": r"wagon|estate",
    "Minivan": r"minivan",
    "Van": r"van",
    "Pickup": r"(super)?cab|pickup|pick-up",
}
"""Body types and the words that name them, as regular expressions; the last such word of a name counts."""
_YEAR = re.compile(r"\b(?:19|20)\d\d$")
_BODIES = {body: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for body, words in BODIES.items()}


@dataclass(frozen=True)
class Traits:
    """Of one class."""

    make: str
    body: str
    year: str


def traits(name: str) -> Traits:
    """Takes a class name apart."""
    year = _YEAR.search(name)
    last = {body: matches[-1].end() for body, words in _BODIES.items() if (matches := list(words.finditer(name)))}
    return Traits(
        make=next((make for make in TWO_WORD_MAKES if name.startswith(f"{make} ")), name.partition(" ")[0]),
        body=max(last, key=last.__getitem__) if last else "",
        year=year.group() if year else "",
    )
