"""The comparison: the webhook of the stack that the Secretária Virtual guide deploys.

Flask under gunicorn, in the order of that guide's app: signature over the raw body, JSON, tenant by
domain from PostgreSQL, two sliding windows in Redis, a log line, a counter, one RQ job, 202. As
there, the line goes through the standard library's logging to a file that turns over each day.
"""

import hashlib
import hmac
import logging
import logging.handlers
import os
import tempfile
import time

import redis
import structlog
from flask import Flask, jsonify, request
from prometheus_client import Counter, Histogram
from pydantic import BaseModel
from rq import Queue
from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker

SECRET = b"seed-stack-shared-secret"
connection = redis.from_url(os.environ["REDIS_URL"])
queue = Queue("default:company_1", connection=connection)
engine = create_engine(os.environ["SEED_DATABASE_URL"], pool_pre_ping=True)
Session = scoped_session(sessionmaker(bind=engine))
folder = tempfile.TemporaryDirectory(prefix="seed-stack-")
logging.basicConfig(
    level=logging.INFO,
    format="%(message)s",
    handlers=[
        logging.handlers.TimedRotatingFileHandler(
            os.path.join(folder.name, "app.log"), "midnight", backupCount=7
        )
    ],
)
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
log = structlog.get_logger()
received = Counter("secretaria_webhook_received_total", "webhooks", ["company", "status"])
latency = Histogram("secretaria_webhook_latency_seconds", "latency", ["company"])
app = Flask(__name__)


class Incoming(BaseModel):
    message: dict
    number: str


def over_limit(key, limit):
    now = time.time()
    pipe = connection.pipeline()
    pipe.zremrangebyscore(key, 0, now - 60)
    pipe.zadd(key, {f"{now}:{os.urandom(4).hex()}": now})
    pipe.zcard(key)
    pipe.expire(key, 60)
    return pipe.execute()[2] > limit


@app.teardown_appcontext
def close(_):
    Session.remove()


@app.post("/webhook/whaticket")
def webhook():
    started = time.perf_counter()
    raw = request.get_data()
    stamp = request.headers.get("X-Timestamp", "0")
    expected = hmac.new(SECRET, f"{int(float(stamp))}.".encode() + raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
        return jsonify(error="invalid signature"), 401
    incoming = Incoming.model_validate_json(raw)
    domain = (request.headers.get("X-Company-Domain") or request.host).lower()
    company = Session.execute(
        text("SELECT id, status FROM companies WHERE domain = :domain"), {"domain": domain}
    ).first()
    if company is None:
        return jsonify(error="company_not_found"), 404
    prefix = f"company:{company.id}:rl:"
    if over_limit(prefix + "ip:" + request.remote_addr, 10**9):
        return jsonify(error="too_many_requests_ip"), 429
    if over_limit(prefix + "num:" + incoming.number, 10**9):
        return jsonify(error="too_many_requests_number"), 429
    body = " ".join(incoming.message["conversation"].split())[:1000]
    log.info("webhook_received", company=company.id, body=body)
    queue.enqueue("jobs.process_incoming_message", company.id, incoming.number, body, job_timeout=40)
    received.labels(str(company.id), "accepted").inc()
    latency.labels(str(company.id)).observe(time.perf_counter() - started)
    return jsonify(queued=True), 202
