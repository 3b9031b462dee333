"""HTTP without TLS: what tests ask of servers that they start on this machine."""

import ssl

# httpx reads the machine's certificate authorities for each client, and so for each request without a client,
# which takes longer than the request. This one trusts none: a client with it can open no TLS connection.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
