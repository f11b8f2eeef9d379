"""The comparison: what the Secretária Virtual guide deploys, reduced to what a webhook costs there.

Flask under gunicorn, signature check over the raw body, two sliding windows in Redis, one RQ job.
"""

import hashlib
import hmac
import os
import time

import redis
from flask import Flask, jsonify, request
from rq import Queue

SECRET = b"seed-stack-shared-secret"
connection = redis.from_url(os.environ["REDIS_URL"])
queue = Queue("default", connection=connection)
app = Flask(__name__)


def over_limit(key, limit):
    now = time.time()
    pipe = connection.pipeline()
    pipe.zremrangebyscore(key, 0, now - 60)
    pipe.zadd(key, {f"{now}:{os.urandom(4).hex()}": now})
    pipe.zcard(key)
    pipe.expire(key, 60)
    return pipe.execute()[2] > limit


@app.post("/webhook/whaticket")
def webhook():
    raw = request.get_data()
    stamp = request.headers.get("X-Timestamp", "0")
    expected = hmac.new(SECRET, f"{int(float(stamp))}.".encode() + raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
        return jsonify(error="invalid signature"), 401
    body = request.get_json()
    number = body["number"]
    if over_limit("rl:ip:" + request.remote_addr, 10**9) or over_limit("rl:num:" + number, 10**9):
        return jsonify(error="too many requests"), 429
    text = " ".join(body["message"]["conversation"].split())[:1000]
    queue.enqueue("jobs.process_incoming_message", 1, number, text)
    return jsonify(queued=True), 202
