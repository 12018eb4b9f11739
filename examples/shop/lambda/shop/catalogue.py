"""What the shop sells. Prices are in cents: money and floating point do not go together."""

from dataclasses import dataclass

CURRENCY = "EUR"


@dataclass(frozen=True)
class Item:
    id: str
    name: str
    price: int


ITEMS = {
    item.id: item
    for item in (
        Item("assam", "Assam, second flush, 100 g", 750),
        Item("sencha", "Sencha, spring harvest, 100 g", 900),
        Item("rooibos", "Rooibos, 250 g", 600),
        Item("teapot", "Teapot, cast iron, 0.8 l", 4200),
    )
}
