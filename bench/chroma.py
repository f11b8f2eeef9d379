"""Chroma with given vectors: the same pieces and questions, queried one after the other."""

import json
import sys
import tempfile
import time

import chromadb
from chromadb.config import Settings

data = json.load(open(sys.argv[1]))
vectors, questions, exact = data["vectors"], data["questions"], data["exact"]
with tempfile.TemporaryDirectory() as folder:
    client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
    collection = client.create_collection("tenant_1", embedding_function=None, metadata={"hnsw:space": "cosine"})
    started = time.perf_counter()
    for at in range(0, len(vectors), 5000):
        part = vectors[at : at + 5000]
        collection.add(ids=[str(at + i) for i in range(len(part))], embeddings=part)
    built = time.perf_counter() - started
    times, hits = [], 0
    for question, best in zip(questions, exact):
        started = time.perf_counter()
        found = collection.query(query_embeddings=[question], n_results=5)
        times.append((time.perf_counter() - started) * 1000)
        hits += len(set(map(int, found["ids"][0])) & set(best)) / 5
times.sort()
print(json.dumps({"build_seconds": built, "p50_ms": times[len(times) // 2], "p99_ms": times[int(len(times) * 0.99)], "recall_at_5": hits / len(questions)}))
