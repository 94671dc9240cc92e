"""Put on PYTHONPATH by `dllwhy run`; nothing else imports it."""
