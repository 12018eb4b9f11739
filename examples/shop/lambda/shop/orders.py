"""Where orders are kept."""

import uuid
from datetime import datetime, timezone

from .pricing import Quote


class Orders:
    """Orders in a table: anything with DynamoDB's `put_item`."""

    def __init__(self, table):
        self._table = table

    def place(self, customer: str, quote: Quote) -> str:
        id = str(uuid.uuid4())
        self._table.put_item(
            Item={
                "id": id,
                "placed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "customer": customer,
                "lines": [{"item": line.item.id, "quantity": line.quantity} for line in quote.lines],
                "total": quote.total,
            }
        )
        return id
