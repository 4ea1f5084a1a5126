"""``python -m testbed.carrier``: a SIP carrier as a process, steered by JSON lines (``testbed/control.py``).

A registrar that challenges every REGISTER and writes down who came with which word, a callee for outbound
calls, and a caller for inbound ones. Policy changes at run time: other passwords, ``refuse`` with a code,
silence. Besides a phone's events it tells ``register``: user name, contact, whether the digest was right.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from testbed.agent import Address, SipAgent
from testbed.control import Answer, Command, emit, serve
from testbed.digest import challenge, fields, is_right
from testbed.phone import PhoneCommands, address, arguments
from testbed.sip_message import SipMessage, parameter, uri_of

_REALM = "carrier"
_DEFAULT_EXPIRES = 3600


class Carrier(SipAgent):
    """A carrier with customers' accounts.

    Attributes:
        accounts: user name -> password.
        refuse: the code for every REGISTER, right or not; 0 for none.
        lifetime: the most seconds that a registration is granted; 0 for as long as asked.
        challenge_calls: whether an INVITE must carry a right digest, too.
        bindings: user name -> contact URI as last registered.
        registers: every REGISTER that carried a digest, in order.
    """

    def __init__(
        self, server: Address, *, user: str, hz: int, report: Callable[[dict[str, object]], None] = emit
    ) -> None:
        super().__init__(user, None, server, hz=hz, report=report)
        self.accounts: dict[str, str] = {}
        self.refuse = 0
        self.lifetime = 0
        self.challenge_calls = True
        self.bindings: dict[str, str] = {}
        self.registers: list[dict[str, object]] = []

    async def handle(self, request: SipMessage, source: Address) -> None:
        """Check who it is, then do as a phone does."""
        inside = bool(parameter(request.get("to"), "tag"))
        if request.method == "REGISTER":
            self._register(request, source)
        elif request.method == "INVITE" and self.challenge_calls and not inside and not self._known(request, source):
            return
        else:
            await super().handle(request, source)

    def _register(self, request: SipMessage, source: Address) -> None:
        given = fields(request.get("authorization"))
        if not given and not self.refuse:
            self._challenge(request, source, 401, "www-authenticate")
            return
        name = given.get("username", "")
        right = self._is_right(given, "REGISTER")
        code = self.refuse or (200 if right else 403)
        contact = request.get("contact")
        expires = int(parameter(contact, "expires") or request.get("expires") or _DEFAULT_EXPIRES)
        expires = min(expires, self.lifetime or expires)
        record: dict[str, object] = {
            "username": name,
            "right": right,
            "code": code,
            "contact": uri_of(contact),
            "expires": expires,
            "at": time.time(),
        }
        self.registers.append(record)
        extra: list[tuple[str, str]] = []
        if code == 200:  # noqa: PLR2004 -- SIP's code
            extra = [("contact", f"<{uri_of(contact)}>;expires={expires}"), ("expires", str(expires))]
            if expires:
                self.bindings[name] = uri_of(contact)
            else:
                self.bindings.pop(name, None)
        response = request.reply(code, tag="carrier", extra=extra)
        self.respond(request, response, source)
        self.event("register", **record)

    def _known(self, request: SipMessage, source: Address) -> bool:
        given = fields(request.get("proxy-authorization"))
        if given and self._is_right(given, "INVITE"):
            return True
        if given:
            self.answer(request, source, 403)
            self.event("refused", number=request.uri, username=given.get("username", ""))
        else:
            self._challenge(request, source, 407, "proxy-authenticate")
        return False

    def _is_right(self, given: dict[str, str], method: str) -> bool:
        password = self.accounts.get(given.get("username", ""))
        return password is not None and is_right(given, method, password)

    def _challenge(self, request: SipMessage, source: Address, code: int, header: str) -> None:
        self.respond(request, request.reply(code, tag="carrier", extra=[(header, challenge(_REALM))]), source)


class CarrierCommands(PhoneCommands):
    """A phone's commands and a carrier's own."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier)
        self.carrier = carrier

    def commands(self) -> dict[str, Command]:
        """Command name -> coroutine."""
        own: dict[str, Command] = {
            "account": self.account,
            "refuse": self.refuse,
            "lifetime": self.lifetime,
            "challenge_calls": self.challenge_calls,
            "registers": self.registers,
            "call": self.call,
        }
        return super().commands() | own

    async def account(self, **fields: Any) -> Answer:
        """Create an account, or change its password: ``username``, ``password``; no password deletes it."""
        if "password" in fields:
            self.carrier.accounts[str(fields["username"])] = str(fields["password"])
        else:
            self.carrier.accounts.pop(str(fields["username"]), None)
        return {}

    async def refuse(self, **fields: Any) -> Answer:
        """Answer every REGISTER with ``code`` from now on; 0 ends that."""
        self.carrier.refuse = int(fields["code"])
        return {}

    async def lifetime(self, **fields: Any) -> Answer:
        """Grant a registration ``seconds`` at most from now on, as carriers do to keep a NAT open; 0 ends that."""
        self.carrier.lifetime = int(fields["seconds"])
        return {}

    async def challenge_calls(self, **fields: Any) -> Answer:
        """Whether calls to the carrier need a digest: ``on``."""
        self.carrier.challenge_calls = bool(fields["on"])
        return {}

    async def registers(self, **fields: Any) -> Answer:  # noqa: ARG002 -- a command's signature
        """Every REGISTER so far -> ``registers``; and ``bindings``, user name -> contact."""
        return {"registers": self.carrier.registers, "bindings": self.carrier.bindings}

    async def call(self, **fields: Any) -> Answer:
        """Call the customer.

        ``number`` is the DID in To. ``uri`` chooses the request URI, as carriers differ: ``number`` (the DID
        at the customer's address; the default), ``contact`` (exactly what ``username`` registered),
        ``contact+number`` (the contact with the DID as its user part) or ``tel`` (the DID as a `tel:` URI, with what
        follows the contact's address). ``from_user`` is the caller.
        """
        number, form = str(fields["number"]), str(fields.get("uri", "number"))
        uri = ""
        if form != "number":
            uri = self.carrier.bindings[str(fields["username"])]
            if form == "contact+number":
                uri = re.sub(r"^(sips?):(?:[^@;]*@)?", lambda match: f"{match[1]}:{number}@", uri)
            elif form == "tel":
                uri = f"tel:{number}{uri[uri.index(';') :]}"
        call = await self.carrier.invite(
            number,
            uri=uri,
            from_user=str(fields.get("from_user", "anonymous")),
            headers=list(dict(fields.get("headers", {})).items()),
            limit_seconds=float(fields.get("give_up_seconds", 30)),
        )
        return call.report()


async def _main() -> None:
    given = arguments(__doc__).parse_args()
    carrier = Carrier(address(given.server), user=given.user, hz=given.hz)
    await carrier.open(given.host, port=given.port, calls=given.calls)
    carrier.event("ready", port=carrier.address[1])
    try:
        await serve(CarrierCommands(carrier).commands())
    finally:
        await carrier.close()


if __name__ == "__main__":
    asyncio.run(_main())
