"""``elasticsearch`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import sys

from elasticsearch import Elasticsearch, NotFoundError, helpers
from report import attempt

CLIENT = Elasticsearch(sys.argv[1], api_key=("id", "key"), http_compress=True)
DOCUMENTS = [{"_index": "books", "_id": str(number), "number": number} for number in range(25)]


def info() -> object:
    return CLIENT.info()["version"]["number"]


def index() -> object:
    return CLIENT.index(index="books", id="ä/1", document={"title": "Über"})["result"]


def search() -> object:
    found = CLIENT.search(index="books", query={"match": {"title": "über"}}, size=2)
    return [hit["_id"] for hit in found["hits"]["hits"]]


def bulk() -> object:
    return helpers.bulk(CLIENT, DOCUMENTS, chunk_size=10)


def parallel_bulk() -> object:
    done = helpers.parallel_bulk(CLIENT, DOCUMENTS, thread_count=3, chunk_size=10)
    return sorted(int(item["index"]["_id"]) for is_done, item in done if is_done)


def scan() -> object:
    found = helpers.scan(CLIENT, index="books", query={"query": {"match_all": {}}}, size=2)
    return [hit["_id"] for hit in found]


def missing() -> object:
    try:
        return CLIENT.get(index="books", id="none").body
    except NotFoundError as error:
        return [error.status_code, error.message]


for action in (info, index, search, bulk, parallel_bulk, scan, missing):
    attempt(action.__name__, action)
