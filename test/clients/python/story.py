"""Plays story.json with boto3: story.py ENDPOINT STORY. Says what went wrong, or what was called."""

import json
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError


def main(endpoint, story):
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    kept = {}
    called = set()
    with open(story, encoding="utf-8") as file:
        steps = json.load(file)
    for step in steps:
        operation = step["operation"]
        called.add(operation)
        try:
            answer = call(client, operation, filled(step["input"], kept))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            expect(step, "error", code, step.get("error"))
            continue
        expect(step, "error", None, step.get("error"))
        for path, wanted in step.get("answer", {}).items():
            expect(step, path, found(answer, path), filled(wanted, kept))
        for name, path in step.get("keep", {}).items():
            kept[name] = found(answer, path)
        if operation == "CreateStream":
            client.get_waiter("stream_exists").wait(**named(step))
    client.get_waiter("stream_not_exists").wait(StreamName="story")
    pages(client)
    print(json.dumps({"called": sorted(called), "known": sorted(client.meta.service_model.operation_names)}))


def pages(client):
    """Paginators follow the engine's tokens to the end."""
    for number in range(5):
        client.create_stream(StreamName=f"page-{number}", ShardCount=3)
    paginator = client.get_paginator("list_streams")
    names = [name for page in paginator.paginate(PaginationConfig={"PageSize": 2}) for name in page["StreamNames"]]
    assert names == [f"page-{number}" for number in range(5)], names
    # Not list_shards: its paginator sends the name with the token, which Kinesis refuses, and so do we.
    paginator = client.get_paginator("describe_stream")
    shards = [
        shard["ShardId"]
        for page in paginator.paginate(StreamName="page-0", PaginationConfig={"PageSize": 2})
        for shard in page["StreamDescription"]["Shards"]
    ]
    assert len(shards) == 3, shards


def call(client, operation, arguments):
    encoded = with_bytes(arguments)
    answer = getattr(client, xform_name(operation))(**encoded)
    if operation != "SubscribeToShard":
        return answer
    for event in answer["EventStream"]:
        if event["SubscribeToShardEvent"]["Records"]:
            answer["EventStream"].close()
            return event["SubscribeToShardEvent"]
    raise AssertionError("the subscription ended without records")


def named(step):
    return {"StreamName": step["input"]["StreamName"]}


def with_bytes(value):
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: item.encode() if key == "Data" else with_bytes(item) for key, item in value.items()}


def filled(value, kept):
    if isinstance(value, list):
        return [filled(item, kept) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, kept) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("$"):
        return kept[value[1:]]
    return value


def found(answer, path):
    value = answer
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value.decode() if isinstance(value, bytes) else value


def expect(step, what, given, wanted):
    if given != wanted:
        sys.exit(f"{step['operation']} {json.dumps(step['input'])}: {what} is {given!r}, not {wanted!r}")


main(sys.argv[1], sys.argv[2])
