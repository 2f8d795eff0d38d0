"""Makes every call of segment-analytics-python once: URL KEY PERSON [gzip]."""

import sys

import segment.analytics as analytics

url, key, person = sys.argv[1:4]
analytics.write_key = key
analytics.host = url
analytics.gzip = "gzip" in sys.argv
analytics.debug = True


def failed(error, items):
    sys.exit(f"not delivered: {error}")


analytics.on_error = failed
analytics.identify(person, {"email": "jane@example.com", "age": 31})
analytics.track(person, "Product Viewed", {"product_id": "A1X2", "price": 19.9})
analytics.track(person, "Order Completed", {"order_id": "o-1", "revenue": 42})
analytics.page(person, "Docs", "Python", {"url": "https://shop.example/docs"})
analytics.screen(person, "App", "Home")
analytics.group(person, "g-1", {"plan": "pro"})
analytics.alias(f"{person}-before", person)
analytics.flush()
analytics.shutdown()
