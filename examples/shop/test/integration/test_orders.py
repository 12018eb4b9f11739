"""Orders, as a customer places them, against the environment that was just deployed.

Not run in production: it orders tea.
"""

import json
import os
import unittest
import urllib.error
import urllib.request

ENVIRONMENT = os.environ["LOCKGATE_ENVIRONMENT"]
URL = json.loads(os.environ["LOCKGATE_OUTPUTS"])[f"shop-{ENVIRONMENT}-web"]["Url"].rstrip("/")


def post(path, body):
    request = urllib.request.Request(
        URL + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


class Orders(unittest.TestCase):
    def test_an_order_costs_what_its_quote_says(self):
        lines = [{"item": "sencha", "quantity": 1}, {"item": "teapot", "quantity": 1}]
        _, quote = post("/quotes", {"lines": lines})
        status, order = post("/orders", {"customer": "Ada", "lines": lines})
        self.assertEqual(status, 201)
        self.assertEqual(order["total"], quote["total"])

    def test_what_the_shop_does_not_sell_cannot_be_ordered(self):
        status, _ = post("/orders", {"customer": "Ada", "lines": [{"item": "coffee", "quantity": 1}]})
        self.assertEqual(status, 400)


if __name__ == "__main__":
    unittest.main()
