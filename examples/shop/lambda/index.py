"""Where Lambda enters: settings are read once, and the shop is given its table."""

import os
from pathlib import Path

import boto3

from shop.api import Api
from shop.orders import Orders

api = Api(
    environment=os.environ["ENVIRONMENT"],
    banner=os.environ["BANNER"],
    version=Path(__file__).with_name("VERSION").read_text().strip(),
    orders=Orders(boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])),
)


def handler(event, _context):
    return api.handle(event)
