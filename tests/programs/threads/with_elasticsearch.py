"""elasticsearch.helpers.parallel_bulk, with a client that answers itself."""

import json

from elastic_transport import ApiResponseMeta, BaseNode, HttpHeaders
from elastic_transport._node._base import NodeApiResponse
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk


class Node(BaseNode):
    """Accepts every document except the fifth."""

    def perform_request(self, method, target, body=None, headers=None, request_timeout=None):
        lines = body.decode().splitlines()
        ids = [json.loads(line)["index"]["_id"] for line in lines[::2]]
        status = {number: 500 if number == 5 else 201 for number in ids}
        items = [{"index": {"_id": number, "status": status[number]}} for number in ids]
        meta = ApiResponseMeta(
            node=self.config,
            duration=0.0,
            http_version="1.1",
            status=200,
            headers=HttpHeaders(
                {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
            ),
        )
        return NodeApiResponse(meta, json.dumps({"items": items}).encode())

    def close(self):
        pass


client = Elasticsearch("http://localhost:9200", node_class=Node)
actions = ({"_index": "i", "_id": number, "value": number} for number in range(10))
found = parallel_bulk(client, actions, thread_count=3, chunk_size=2, raise_on_error=False)
print(sorted((item["index"]["_id"], is_well) for is_well, item in found))
