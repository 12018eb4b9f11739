"""What the product's state relies on in DynamoDB.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import Launcher


@pytest.fixture
def table(launcher: Launcher, account: str) -> Any:
    dynamodb = launcher.client("dynamodb", account, max_pool_connections=25)
    keys = {"pk": "HASH", "sk": "RANGE"}
    dynamodb.create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "open", "due")],
        GlobalSecondaryIndexes=[{
            "IndexName": "sparse", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
        }],
    )
    return dynamodb


def _item(sort: str, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sort}, **more}


def _state(operation: dict[str, Any], version: int) -> dict[str, Any]:
    return {"M": {"operation": operation, "deep": {"M": {"version": {"N": str(version)}}}}}


def _wins(call: Any, **given: Any) -> bool:
    try:
        call(**given)
    except ClientError as failed:
        assert failed.response["Error"]["Code"] == "ConditionalCheckFailedException"
        return False
    return True


def test_conditions_see_into_documents(table: Any) -> None:
    table.put_item(TableName="table", Item=_item("a", state=_state({"NULL": True}, 1)))
    idle = {"TableName": "table", "Item": _item("a", state=_state({"S": "deploy"}, 2)),
            "ConditionExpression": "attribute_type(#state.operation, :nothing) AND #state.deep.version = :version",
            "ExpressionAttributeNames": {"#state": "state"}}
    values = {":nothing": {"S": "NULL"}, ":version": {"N": "1"}}
    assert not _wins(table.put_item, **idle, ExpressionAttributeValues={**values, ":version": {"N": "2"}})
    assert _wins(table.put_item, **idle, ExpressionAttributeValues=values)
    assert not _wins(table.put_item, **idle, ExpressionAttributeValues={**values, ":version": {"N": "2"}})
    # A missing path has no type, and an item that is not there has no paths.
    assert not _wins(table.put_item, **{**idle, "Item": _item("b")}, ExpressionAttributeValues=values)


def test_queries_by_the_beginning_of_the_sort_key(table: Any) -> None:
    for sort in ("run#1", "run#2", "run", "ruin#1"):
        table.put_item(TableName="table", Item=_item(sort))
    found = table.query(
        TableName="table", KeyConditionExpression="pk = :p AND begins_with(sk, :s)", ScanIndexForward=False,
        ExpressionAttributeValues={":p": {"S": "p"}, ":s": {"S": "run#"}},
    )["Items"]
    assert [item["sk"]["S"] for item in found] == ["run#2", "run#1"]


def test_an_index_holds_only_items_with_its_attributes(table: Any) -> None:
    both = {"open": {"S": "yes"}, "due": {"S": "2026"}}
    for sort, more in (("both", both), ("half", {"open": {"S": "yes"}}), ("none", {})):
        table.put_item(TableName="table", Item=_item(sort, **more))

    def indexed() -> list[str]:
        query = {"KeyConditionExpression": "#o = :o AND begins_with(due, :d)",
                 "ExpressionAttributeNames": {"#o": "open"},
                 "ExpressionAttributeValues": {":o": {"S": "yes"}, ":d": {"S": "20"}}}
        queried = table.query(TableName="table", IndexName="sparse", **query)["Items"]
        assert table.scan(TableName="table", IndexName="sparse")["Items"] == queried
        return [item["sk"]["S"] for item in queried]

    assert indexed() == ["both"]
    table.update_item(TableName="table", Key=_item("both"), UpdateExpression="REMOVE #o",
                      ExpressionAttributeNames={"#o": "open"})
    assert indexed() == []


def test_a_transaction_writes_both_or_tells_which_condition_failed(table: Any) -> None:
    def puts(*sorts: str) -> dict[str, Any]:
        return {"TransactItems": [
            {"Put": {"TableName": "table", "Item": _item(sort), "ConditionExpression": "attribute_not_exists(pk)",
                     "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}} for sort in sorts]}

    table.transact_write_items(**puts("a", "b"))
    with pytest.raises(ClientError) as failed:
        table.transact_write_items(**puts("c", "b"))
    answer: Any = failed.value.response
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    assert answer["Error"]["Message"].endswith("[None, ConditionalCheckFailed]")
    ours, theirs = answer["CancellationReasons"]
    assert ours == {"Code": "None"}
    assert (theirs["Code"], theirs["Message"]) == ("ConditionalCheckFailed", "The conditional request failed")
    assert theirs["Item"] == _item("b")
    assert "Item" not in table.get_item(TableName="table", Key=_item("c"))


def test_one_of_many_writers_wins(table: Any) -> None:
    for sort in "abc":
        def put(writer: int, sort: str = sort) -> bool:
            return _wins(table.put_item, TableName="table", Item=_item(sort, writer={"N": str(writer)}),
                         ConditionExpression="attribute_not_exists(sk)")

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(put, range(20))) == 1
