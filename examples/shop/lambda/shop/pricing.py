"""What an order costs."""

from dataclasses import dataclass

from .catalogue import ITEMS, Item

MOST_PER_LINE = 100


class Refused(Exception):
    """The customer asked for something that cannot be had, and can be told why."""


@dataclass(frozen=True)
class Line:
    item: Item
    quantity: int

    @property
    def total(self) -> int:
        return self.item.price * self.quantity


@dataclass(frozen=True)
class Quote:
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines)


def quote(request) -> Quote:
    """Prices what a customer sent, who may have sent anything."""
    lines = request.get("lines") if isinstance(request, dict) else None
    if not isinstance(lines, list) or not lines:
        raise Refused("an order has at least one line")
    return Quote(tuple(_line(line) for line in lines))


def _line(request) -> Line:
    if not isinstance(request, dict):
        raise Refused("a line has an item and a quantity")
    item, quantity = request.get("item"), request.get("quantity")
    if not isinstance(item, str) or item not in ITEMS:
        raise Refused(f"there is no item {item!r}")
    # True is an int to Python, but not a quantity to a customer.
    if type(quantity) is not int or not 1 <= quantity <= MOST_PER_LINE:
        raise Refused(f"a quantity is a whole number from 1 to {MOST_PER_LINE}")
    return Line(ITEMS[item], quantity)
