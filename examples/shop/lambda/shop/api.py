"""From a request to an answer."""

import json
from base64 import b64decode
from dataclasses import asdict, dataclass

from .catalogue import CURRENCY, ITEMS
from .orders import Orders
from .pricing import Quote, Refused, quote


@dataclass(frozen=True)
class Api:
    environment: str
    banner: str
    version: str
    orders: Orders

    def handle(self, event: dict) -> dict:
        # A direct invocation asks for a price and nothing else, so that a smoke test in
        # production can check the prices without ordering anything.
        if "quote" in event:
            return _priced(quote(event["quote"]))

        answer = {
            "GET /health": self.health,
            "GET /items": self.list_items,
            "GET /items/{id}": self.get_item,
            "POST /quotes": self.give_quote,
            "POST /orders": self.place_order,
        }[event["routeKey"]]
        try:
            status, body = answer(event)
        except Refused as refused:
            status, body = 400, {"error": str(refused)}
        # Anything else that is raised is ours: Lambda counts it as an error, and the alarm sees it.
        return {
            "statusCode": status,
            "headers": {"content-type": "application/json"},
            "body": json.dumps(body, ensure_ascii=False),
        }

    def health(self, _event):
        return 200, {"status": "ok", "environment": self.environment, "version": self.version}

    def list_items(self, _event):
        return 200, {
            "banner": self.banner,
            "currency": CURRENCY,
            "items": [asdict(item) for item in ITEMS.values()],
        }

    def get_item(self, event):
        item = ITEMS.get(event["pathParameters"]["id"])
        if item is None:
            return 404, {"error": "there is no such item"}
        return 200, {"currency": CURRENCY, **asdict(item)}

    def give_quote(self, event):
        return 200, _priced(quote(_body(event)))

    def place_order(self, event):
        request = _body(event)
        priced = quote(request)
        customer = request.get("customer")
        if not isinstance(customer, str) or not customer.strip():
            raise Refused("an order has a customer")
        customer = customer.strip()
        id = self.orders.place(customer, priced)
        return 201, {"id": id, "customer": customer, **_priced(priced)}


def _priced(quote: Quote) -> dict:
    return {
        "currency": CURRENCY,
        "lines": [
            {"item": line.item.id, "quantity": line.quantity, "total": line.total}
            for line in quote.lines
        ],
        "total": quote.total,
    }


def _body(event: dict):
    body = event.get("body") or ""
    try:
        return json.loads(b64decode(body) if event.get("isBase64Encoded") else body)
    except ValueError:
        raise Refused("the body is not JSON") from None
