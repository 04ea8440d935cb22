"""Paths, ranks, and a graph of its atlas."""

import networkx as nx

graph = nx.Graph([("a", "b", {"weight": 1}), ("b", "c", {"weight": 1}), ("a", "c", {"weight": 5})])
print(nx.shortest_path(graph, "a", "c", weight="weight"))
print(nx.to_numpy_array(graph).tolist(), nx.graph_atlas(7).number_of_edges())
print({node: round(rank, 3) for node, rank in nx.pagerank(graph, weight=None).items()})
print(list(nx.karate_club_graph().degree)[:2])
