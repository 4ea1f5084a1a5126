"""Object storage: where what is too large for the database is kept, such as pictures.

Knows neither the database nor a service. Its errors are one line each and name no credentials.
"""
