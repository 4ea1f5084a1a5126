"""A SIP user agent on UDP, plain enough to be sure of: the base of the test bed's phone and carrier.

It keeps transactions (requests repeat until answered, repeated requests get the same answer again), speaks
digest as a client, and carries calls with real audio. Timers after RFC 3261, 17: T1 is 0.5 s, a
transaction ends after 64 T1; here sooner, for nothing on loopback takes 32 s.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from testbed.digest import Credentials, authorization
from testbed.ports import PortLease, lease
from testbed.rtp import RtpPort
from testbed.sip_message import (
    BRANCH_COOKIE,
    SipMessage,
    SipSyntaxError,
    address_of,
    media_address,
    new_tag,
    parameter,
    sdp,
    uri_of,
    user_of,
)

Address = tuple[str, int]
Headers = Iterable[tuple[str, str]]
_T1_SECONDS = 0.5
_T2_SECONDS = 4.0
_TRANSACTION_SECONDS = 10.0
_ANSWERED_KEPT = 500
UNREACHABLE = 408


@dataclass
class Call:
    """One call, as this side sees it.

    Attributes:
        number: what was dialled: the user part of the request URI, or of To when the former has none.
        other: the user part of the other side's From or To.
        code: the final SIP code of the INVITE; 0 as long as there is none.
        state: ``ringing``, ``answered`` or ``ended``.
        ended_by: ``us`` or ``them`` once it has ended after an answer.
    """

    id: int
    outgoing: bool
    number: str
    other: str
    call_id: str
    local: str
    remote: str
    target: str
    rtp: RtpPort
    to_user: str = ""
    code: int = 0
    state: str = "ringing"
    ended_by: str = ""
    cseq: int = 1
    routes: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    invite: SipMessage | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self) -> dict[str, object]:
        """What a test asks about."""
        return {
            "call": self.id,
            "outgoing": self.outgoing,
            "number": self.number,
            "to": self.to_user,
            "other": self.other,
            "state": self.state,
            "code": self.code,
            "ended_by": self.ended_by,
            "rtp_sent": self.rtp.sent,
            "rtp_received": self.rtp.received,
            "heard_hz": self.rtp.heard_hz(),
            "headers": self.headers,
        }


@dataclass
class Answering:
    """What happens to incoming calls: ``provisional`` (0: nothing), a while, then ``code``.

    A method ``unheard`` is never answered.
    """

    code: int = 200
    ring_seconds: float = 0.1
    unheard: str = ""
    provisional: int = 180


class SipAgent(asyncio.DatagramProtocol):
    """One address, one identity, any number of calls at a time.

    Args:
        user: the user part of our own URIs.
        credentials: for every challenge, of registrar and callee alike.
        server: where requests go.
        hz: the tone that this side sends.
        report: called with every event (``register``, ``call``), from the event loop.
        line: tells its contact from an earlier one at the same port; none by default.
    """

    def __init__(
        self,
        user: str,
        credentials: Credentials | None,
        server: Address,
        *,
        hz: int,
        report: Callable[[dict[str, object]], None],
        line: str = "",
    ) -> None:
        self.user, self.credentials, self.server, self.hz = user, credentials, server, hz
        self._line = f";line={line}" if line else ""
        self.answering = Answering()
        self.calls: dict[int, Call] = {}
        self.address: Address = ("", 0)
        self._report = report
        self._lease: PortLease | None = None
        self._media_ports: list[int] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[SipMessage]] = {}
        self._answered: dict[tuple[str, str], bytes | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._registration = (new_tag(), new_tag())
        self._register_cseq = 0

    @property
    def _contact(self) -> str:
        host, port = self.address
        return f"<sip:{self.user}@{host}:{port}{self._line}>"

    async def open(self, host: str, *, port: int | None = None, calls: int = 20) -> None:
        """Bind a SIP port, by default a leased one, and reserve media ports for ``calls`` at a time."""
        if calls or port is None:
            self._lease = lease(2 * calls + 4)
            port = port or self._lease.take(2)
            first = self._lease.take(2 * calls, even=True)
            self._media_ports = list(range(first, first + 2 * calls, 2))
        self.address = (host, port)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.address)

    async def close(self) -> None:
        """Drop everything without a word, as a phone whose plug is pulled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self.calls.values():
            await call.rtp.close()
        if self._transport is not None:
            self._transport.close()
        if self._lease is not None:
            self._lease.release()

    # --- what this side starts

    async def register(self, *, expires: int = 300) -> int:
        """REGISTER at the server (0 unregisters) and return the final code; 408 when nobody answers."""
        call_id, tag = self._registration
        host, port = self.server
        own = f"<sip:{self.user}@{host}>"
        self._register_cseq += 1
        request = self._request(
            "REGISTER",
            f"sip:{host}:{port}",
            [("from", f"{own};tag={tag}"), ("to", own), ("call-id", call_id), ("expires", str(expires))],
            self._register_cseq,
        )
        final = await self.transact(request, self.server)
        self._register_cseq = request.cseq[0]
        return final.status

    async def options(self, number: str) -> int:
        """OPTIONS to the server, and the final code."""
        return (await self.transact(self._out_of_dialog("OPTIONS", number), self.server)).status

    async def message(self, number: str, text: str = "hello") -> int:
        """MESSAGE outside of a call, and the final code."""
        request = self._out_of_dialog("MESSAGE", number, headers=[("content-type", "text/plain")])
        request.body = text
        return (await self.transact(request, self.server)).status

    async def subscribe(self, number: str, package: str = "message-summary", *, expires: int = 300) -> int:
        """SUBSCRIBE to ``number`` (RFC 6665), and the final code; each NOTIFY is an event ``notify``."""
        wanted = [("event", package), ("expires", str(expires))]
        return (await self.transact(self._out_of_dialog("SUBSCRIBE", number, headers=wanted), self.server)).status

    async def invite(
        self,
        number: str,
        *,
        uri: str = "",
        from_user: str = "",
        headers: Headers = (),
        limit_seconds: float = 30,
    ) -> Call:
        """Call ``number`` and return when the call is answered or refused.

        Args:
            number: the user part of To, and of the request URI unless ``uri`` is given.
            uri: the request URI.
            from_user: the caller's number, by default our own.
            headers: further headers; a `from` or a `to` takes the place of ours.
            limit_seconds: so long it may ring; then CANCEL, and the code is what comes of it.
        """
        rtp = await self._media()
        request = self._out_of_dialog("INVITE", number, uri=uri, from_user=from_user, headers=headers)
        request.headers.append(("content-type", "application/sdp"))
        request.body = sdp(self.address[0], rtp.port)
        call = self._remember(request, rtp, outgoing=True)
        call.number, call.other, call.local, call.remote = (
            number,
            number,
            request.get("from"),
            request.get("to"),
        )
        final = await self.transact(request, self.server, limit_seconds=limit_seconds, call=call)
        await self._finish_invite(call, request, final)
        return call

    async def hangup(self, call: Call) -> int:
        """BYE, and its final code."""
        if call.state != "answered":
            return 0
        call.ended_by = "us"
        await self._end(call)
        return (await self._in_dialog(call, "BYE")).status

    async def refer(self, call: Call, number: str) -> int:
        """Transfer the other side blindly to ``number`` (RFC 3515), and the final code of REFER."""
        target = f"<sip:{number}@{self.server[0]}:{self.server[1]}>"
        return (await self._in_dialog(call, "REFER", [("refer-to", target), ("referred-by", call.local)])).status

    async def transact(
        self,
        request: SipMessage,
        target: Address,
        *,
        limit_seconds: float = _TRANSACTION_SECONDS,
        call: Call | None = None,
        challenged: bool = False,
    ) -> SipMessage:
        """Send a request until it is answered; answer one challenge; return the final response."""
        final = await self._exchange(request, target, limit_seconds, call)
        asked = final.get("www-authenticate") or final.get("proxy-authenticate")
        if final.status not in {401, 407} or challenged or not asked or self.credentials is None:
            return final
        if request.method == "INVITE":
            self._acknowledge(request, final, target)
        name = "authorization" if final.status == 401 else "proxy-authorization"  # noqa: PLR2004 -- SIP's code
        answer = authorization(self.credentials, asked, request.method, request.uri)
        number = request.cseq[0] + 1
        request.headers = [
            (key, f"{number} {request.method}" if key == "cseq" else self._via() if key == "via" else value)
            for key, value in request.headers
        ]
        request.headers.append((name, answer))
        return await self.transact(request, target, limit_seconds=limit_seconds, call=call, challenged=True)

    # --- what comes in

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one datagram; what is no SIP is dropped, as a carrier would."""
        with suppress(SipSyntaxError):
            message = SipMessage.parse(data)
            if message.status:
                queue = self._waiting.get((message.branch, message.cseq[1]))
                if queue is not None:
                    queue.put_nowait(message)
                return
            if self.answering.unheard == message.method:
                return
            key = (message.branch, message.method)
            if key in self._answered:
                if repeated := self._answered[key]:
                    self._send(repeated, addr)
                return
            self._answered[key] = None
            while len(self._answered) > _ANSWERED_KEPT:
                self._answered.pop(next(iter(self._answered)))
            self._start(self.handle(message, addr))

    async def handle(self, request: SipMessage, source: Address) -> None:
        """Answer one new request; a carrier adds REGISTER and its own checks."""
        match request.method:
            case "INVITE" if parameter(request.get("to"), "tag"):
                await self._reinvite(request, source)
            case "INVITE":
                await self._incoming(request, source)
            case "BYE":
                await self._bye(request, source)
            case "CANCEL":
                self._cancelled(request, source)
            case "ACK":
                pass
            case "NOTIFY":
                self.answer(request, source, 200)
                self.event("notify", package=request.get("event"), to=user_of(request.get("to")), body=request.body)
            case "OPTIONS" | "INFO" | "UPDATE" | "MESSAGE":
                self.answer(request, source, 200)
            case _:
                self.answer(request, source, 501)

    def answer(self, request: SipMessage, source: Address, status: int, *, extra: Headers = (), body: str = "") -> None:
        """Answer with a contact of ours and the dialog's tag."""
        contact = [("contact", self._contact)]
        response = request.reply(status, tag=self._tag_of(request), extra=[*contact, *extra], body=body)
        self.respond(request, response, source)

    def respond(self, request: SipMessage, response: SipMessage, source: Address) -> None:
        """Send ``response``, and again whenever ``request`` is repeated."""
        datagram = response.encode()
        self._answered[request.branch, request.method] = datagram
        self._send(datagram, source)

    def event(self, name: str, **fields: object) -> None:
        """Tell whoever listens."""
        self._report({"event": name, **fields})

    async def _incoming(self, request: SipMessage, source: Address) -> None:
        rtp = await self._media()
        call = self._remember(request, rtp, outgoing=False)
        call.invite = request
        call.remote = request.get("from")
        call.local = f"{request.get('to')};tag={self._tag_of(request)}"
        call.target = uri_of(request.get("contact"))
        call.routes = request.all("record-route")
        call.other = user_of(request.get("from"))
        policy = self.answering
        if policy.provisional:
            self.answer(request, source, policy.provisional)
        self._tell(call)
        with suppress(TimeoutError):
            async with asyncio.timeout(policy.ring_seconds):
                while call.state == "ringing":
                    call.changed.clear()
                    await call.changed.wait()
        if call.state != "ringing":
            return
        call.code = policy.code
        if policy.code != 200:  # noqa: PLR2004 -- SIP's code
            self.answer(request, source, policy.code)
            await self._end(call)
            return
        described = [("content-type", "application/sdp")]
        self.answer(request, source, 200, extra=described, body=sdp(self.address[0], rtp.port))
        self._talk(call, request.body)
        call.state = "answered"
        self._tell(call)

    async def _reinvite(self, request: SipMessage, source: Address) -> None:
        call = self._by_call_id(request.call_id)
        if call is None or call.state != "answered":
            self.answer(request, source, 481)
            return
        described = [("content-type", "application/sdp")]
        self.answer(request, source, 200, extra=described, body=sdp(self.address[0], call.rtp.port))
        self._talk(call, request.body)

    async def _bye(self, request: SipMessage, source: Address) -> None:
        call = self._by_call_id(request.call_id)
        self.answer(request, source, 200 if call else 481)
        if call is not None and call.state == "answered":
            call.ended_by = "them"
            await self._end(call)

    def _cancelled(self, request: SipMessage, source: Address) -> None:
        call = self._by_call_id(request.call_id)
        self.answer(request, source, 200 if call else 481)
        if call is not None and call.state == "ringing" and call.invite is not None:
            call.code, call.ended_by = 487, "them"
            self.answer(call.invite, source, 487)
            self._start(self._end(call))

    # --- parts of a call

    async def _finish_invite(self, call: Call, request: SipMessage, final: SipMessage) -> None:
        call.code = final.status
        if final.status // 100 != 2:  # noqa: PLR2004 -- SIP's success class
            if not final.get("x-testbed-silence"):
                self._acknowledge(request, final, self.server)
            await self._end(call)
            return
        call.remote = final.get("to")
        call.target = uri_of(final.get("contact")) or request.uri
        call.routes = list(reversed(final.all("record-route")))
        call.cseq = request.cseq[0]
        self._send_ack(call)
        call.state = "answered"
        self._talk(call, final.body)
        self._tell(call)

    def _talk(self, call: Call, description: str) -> None:
        if target := media_address(description):
            call.rtp.send_tone(target, self.hz)

    async def _end(self, call: Call) -> None:
        if call.state == "ended":
            return
        call.state = "ended"
        await call.rtp.close()
        self._media_ports.append(call.rtp.port)
        self._tell(call)

    def _tell(self, call: Call) -> None:
        call.changed.set()
        self.event("call", **call.report())

    def _remember(self, request: SipMessage, rtp: RtpPort, *, outgoing: bool) -> Call:
        to_user = user_of(request.get("to"))
        call = Call(
            id=len(self.calls) + 1,
            outgoing=outgoing,
            number=user_of(request.uri) or to_user,
            other="",
            call_id=request.call_id,
            local="",
            remote="",
            target=request.uri,
            rtp=rtp,
            to_user=to_user,
            headers={name: value for name, value in request.headers if name not in {"via", "authorization"}},
        )
        self.calls[call.id] = call
        return call

    def _by_call_id(self, call_id: str) -> Call | None:
        return next((call for call in reversed(self.calls.values()) if call.call_id == call_id), None)

    async def _media(self) -> RtpPort:
        if not self._media_ports:
            raise OSError("no media port left: open the agent with more calls")
        return await RtpPort.open(self.address[0], self._media_ports.pop(0))

    # --- messages and transactions

    async def _exchange(
        self, request: SipMessage, target: Address, limit_seconds: float, call: Call | None
    ) -> SipMessage:
        branch, method = request.branch, request.method
        queue = self._waiting[branch, method] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        end, pause, provisional, cancelled = loop.time() + limit_seconds, _T1_SECONDS, False, False
        self._send(request.encode(), target)
        try:
            while True:
                left = end - loop.time()
                if left <= 0:
                    if provisional and method == "INVITE" and not cancelled:
                        cancelled, end = True, loop.time() + _TRANSACTION_SECONDS
                        self._start(self._cancel(request, target))
                        continue
                    silence = [("x-testbed-silence", "yes")]
                    return SipMessage(status=UNREACHABLE, headers=[*request.headers, *silence])
                try:
                    async with asyncio.timeout(min(pause, left)):
                        response = await queue.get()
                except TimeoutError:
                    if not provisional:
                        self._send(request.encode(), target)
                        pause = min(pause * 2, _T2_SECONDS)
                    continue
                if response.status >= 200:  # noqa: PLR2004 -- SIP's final classes
                    return response
                provisional = True
                if call is not None and response.status > 100:  # noqa: PLR2004 -- 100 is hop by hop
                    self.event("progress", call=call.id, code=response.status)
        finally:
            if method != "INVITE":
                del self._waiting[branch, method]
            else:
                self._start(self._repeat_ack(branch, queue, target, request))

    async def _repeat_ack(
        self, branch: str, queue: asyncio.Queue[SipMessage], target: Address, request: SipMessage
    ) -> None:
        """A lost ACK makes the other side repeat its final answer; acknowledge that one, too."""
        try:
            async with asyncio.timeout(_TRANSACTION_SECONDS):
                while True:
                    response = await queue.get()
                    call = self._by_call_id(request.call_id)
                    if response.status >= 300:  # noqa: PLR2004 -- SIP's failure classes
                        self._acknowledge(request, response, target, branch=branch)
                    elif response.status >= 200 and call is not None and call.state == "answered":  # noqa: PLR2004
                        self._send_ack(call)
        except TimeoutError:
            pass
        finally:
            self._waiting.pop((branch, "INVITE"), None)

    async def _cancel(self, request: SipMessage, target: Address) -> None:
        kept = [(n, v) for n, v in request.headers if n in {"via", "from", "to", "call-id", "max-forwards"}]
        cancel = SipMessage("CANCEL", request.uri, headers=[*kept, ("cseq", f"{request.cseq[0]} CANCEL")])
        await self._exchange(cancel, target, _TRANSACTION_SECONDS, None)

    def _acknowledge(self, request: SipMessage, final: SipMessage, target: Address, *, branch: str = "") -> None:
        """ACK of a refusal, part of the INVITE's own transaction (RFC 3261, 17.1.1.3)."""
        via = request.get("via") if not branch else self._via(branch)
        kept = [(n, v) for n, v in request.headers if n in {"from", "call-id", "max-forwards"}]
        number = final.cseq[0]
        headers = [("via", via), *kept, ("to", final.get("to")), ("cseq", f"{number} ACK")]
        self._send(SipMessage("ACK", request.uri, headers=headers).encode(), target)

    def _send_ack(self, call: Call) -> None:
        ack = self._dialog_request(call, "ACK", call.cseq)
        self._send(ack.encode(), self._next_hop(call))

    async def _in_dialog(self, call: Call, method: str, headers: Headers = ()) -> SipMessage:
        call.cseq += 1
        request = self._dialog_request(call, method, call.cseq, headers)
        final = await self.transact(request, self._next_hop(call))
        call.cseq = request.cseq[0]
        return final

    def _dialog_request(self, call: Call, method: str, number: int, headers: Headers = ()) -> SipMessage:
        named = [("from", call.local), ("to", call.remote), ("call-id", call.call_id)]
        routes = [("route", route) for route in call.routes]
        return self._request(method, call.target, [*named, *routes, *headers], number)

    def _next_hop(self, call: Call) -> Address:
        return address_of(call.routes[0] if call.routes else call.target)

    def _out_of_dialog(
        self, method: str, number: str, *, uri: str = "", from_user: str = "", headers: Headers = ()
    ) -> SipMessage:
        host, port = self.server
        own = f"<sip:{from_user or self.user}@{self.address[0]}:{self.address[1]}>;tag={new_tag()}"
        own_words = dict(headers)
        named = {"from": own, "to": f"<sip:{number}@{host}:{port}>", "call-id": new_tag()} | own_words
        return self._request(method, uri or f"sip:{number}@{host}:{port}", list(named.items()), 1)

    def _request(self, method: str, uri: str, headers: Headers, number: int) -> SipMessage:
        common = [("contact", self._contact), ("user-agent", "dialplane-testbed")]
        first = [("via", self._via()), ("max-forwards", "70")]
        return SipMessage(method, uri, headers=[*first, *headers, ("cseq", f"{number} {method}"), *common])

    def _via(self, branch: str = "") -> str:
        host, port = self.address
        return f"SIP/2.0/UDP {host}:{port};rport;branch={branch or BRANCH_COOKIE + new_tag()}"

    def _tag_of(self, request: SipMessage) -> str:
        """Our tag in a dialog: the same for every answer to one INVITE."""
        return f"t{request.call_id[:24]}".replace("@", "-")

    def _send(self, datagram: bytes, target: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, target)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
