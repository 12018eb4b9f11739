import json
import unittest
from base64 import b64encode

from shop.api import Api
from shop.orders import Orders
from shop.pricing import Refused


class Table:
    """DynamoDB's `put_item`, in memory."""

    def __init__(self):
        self.items = []

    def put_item(self, Item):
        self.items.append(Item)


class ApiTest(unittest.TestCase):
    def setUp(self):
        self.table = Table()
        self.api = Api(environment="dev", banner="Hello.", version="1.2.3", orders=Orders(self.table))

    def call(self, route, body=None, **event):
        if body is not None:
            event["body"] = json.dumps(body)
        answer = self.api.handle({"routeKey": route, **event})
        self.assertEqual(answer["headers"], {"content-type": "application/json"})
        return answer["statusCode"], json.loads(answer["body"])

    def test_health_tells_what_is_running_where(self):
        self.assertEqual(
            self.call("GET /health"),
            (200, {"status": "ok", "environment": "dev", "version": "1.2.3"}),
        )

    def test_the_items_come_under_the_banner(self):
        status, body = self.call("GET /items")
        self.assertEqual((status, body["banner"], body["currency"]), (200, "Hello.", "EUR"))
        self.assertIn({"id": "sencha", "name": "Sencha, spring harvest, 100 g", "price": 900}, body["items"])

    def test_one_item(self):
        status, body = self.call("GET /items/{id}", pathParameters={"id": "teapot"})
        self.assertEqual((status, body["id"], body["price"]), (200, "teapot", 4200))

    def test_an_item_we_do_not_sell(self):
        status, _ = self.call("GET /items/{id}", pathParameters={"id": "coffee"})
        self.assertEqual(status, 404)

    def test_an_order_is_priced_and_kept(self):
        status, body = self.call(
            "POST /orders",
            {"customer": " Ada ", "lines": [{"item": "assam", "quantity": 2}, {"item": "teapot", "quantity": 1}]},
        )
        self.assertEqual((status, body["customer"], body["total"]), (201, "Ada", 5700))
        [kept] = self.table.items
        self.assertEqual((kept["id"], kept["customer"], kept["total"]), (body["id"], "Ada", 5700))

    def test_a_quote_is_not_an_order(self):
        status, body = self.call("POST /quotes", {"lines": [{"item": "assam", "quantity": 2}]})
        self.assertEqual((status, body["total"]), (200, 1500))
        self.assertEqual(self.table.items, [])

    def test_a_direct_invocation_gets_a_quote(self):
        answer = self.api.handle({"quote": {"lines": [{"item": "rooibos", "quantity": 1}]}})
        self.assertEqual(answer["total"], 600)
        with self.assertRaises(Refused):
            self.api.handle({"quote": {"lines": []}})

    def test_an_encoded_body_is_read(self):
        body = b64encode(b'{"lines": [{"item": "assam", "quantity": 1}]}').decode()
        answer = self.api.handle({"routeKey": "POST /quotes", "body": body, "isBase64Encoded": True})
        self.assertEqual(answer["statusCode"], 200)

    def test_a_customer_who_sends_nonsense_is_told_why(self):
        line = {"item": "assam", "quantity": 1}
        for body, error in (
            ({}, "an order has at least one line"),
            ([], "an order has at least one line"),
            ({"lines": "assam"}, "an order has at least one line"),
            ({"lines": ["assam"]}, "a line has an item and a quantity"),
            ({"lines": [{**line, "item": "coffee"}]}, "there is no item 'coffee'"),
            ({"lines": [{**line, "item": ["assam"]}]}, "there is no item ['assam']"),
            ({"lines": [{**line, "quantity": 0}]}, "a quantity is a whole number from 1 to 100"),
            ({"lines": [{**line, "quantity": 101}]}, "a quantity is a whole number from 1 to 100"),
            ({"lines": [{**line, "quantity": 1.5}]}, "a quantity is a whole number from 1 to 100"),
            ({"lines": [{**line, "quantity": True}]}, "a quantity is a whole number from 1 to 100"),
            ({"lines": [line]}, "an order has a customer"),
            ({"lines": [line], "customer": " "}, "an order has a customer"),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.call("POST /orders", body), (400, {"error": error}))
        self.assertEqual(self.table.items, [])

    def test_a_body_that_is_not_json(self):
        for body in (None, "", "{"):
            with self.subTest(body=body):
                answer = self.api.handle({"routeKey": "POST /orders", "body": body})
                self.assertEqual(answer["statusCode"], 400)
