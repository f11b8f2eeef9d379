"""One job of the comparison: an instant model, and one call to the sender."""

import os

import requests


def process_incoming_message(company, number, text):
    answer = "ok: " + text
    requests.post(
        os.environ["SEND_URL"],
        headers={"apikey": "key"},
        json={"number": number, "text": answer},
        timeout=10,
    ).raise_for_status()
