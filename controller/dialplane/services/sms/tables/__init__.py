"""Messages received and messages to be sent: tables, records, and functions of one transaction each."""
