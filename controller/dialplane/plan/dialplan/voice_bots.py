"""Bots: how a call gets to a program that speaks, and how it goes on when that program is done, dead, or not there.

A call waits in `Stasis()` of one of the applications that are open, while a bot there opens its end of the media. Then
the dialplan itself bridges both, so that nothing but the media's WebSocket is needed while they speak. Whatever happens
to the bot, the socket or the controller, the caller is in the dialplan, and goes to the bot's fallback.

What bots must know (measured on Asterisk 22.10.1):

- The application gets the name of the bot, the campaign that calls and whom (both empty where somebody calls), and an
  id. The bot takes the call by making a media channel with that id, opening its socket, and letting the caller
  continue; it refuses by letting the caller continue without one. The media channel waits in `MEDIA`: of one that
  `Bridge()` took out of an application a ghost stayed, once in a hundred times.
- It sets no variable of the caller: ARI refuses that once the caller has left `Stasis()`, and before that Asterisk
  would refuse `DB()` and other functions for the rest of the call.
- It ends a call by hanging up its media channel: with the cause `next_code(NAME)` for a transfer or `hangup`, with any
  other, or by closing the socket, for the fallback.

Asterisk's own limits of `Bridge()`, `L` and `S`, end nothing here; an absolute time limit does, and continues in `T`.
"""

from collections.abc import Iterator
from typing import Final

from dialplane.plan.dialplan.contexts import (
    ENDED,
    MEDIA,
    MEDIA_WAITS_IN,
    VOICE_BOT_GROUPS,
    VOICE_BOT_NUMBERS,
    VOICE_BOTS,
    Address,
    context,
    entry,
)
from dialplane.plan.dialplan.destinations import Destinations
from dialplane.plan.dialplan.inbound import END_OF_CALL
from dialplane.plan.dialplan.recording import RECORDING
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.escape import argument
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.plan.voice_bots import HANGUP, Bot, next_code, transfers
from dialplane.resources.destination import Destination
from dialplane.resources.key import Key

APPLICATIONS: Final = "dpbot/apps"
"""Family and key in Asterisk's database of the applications that take calls, separated by `&`. The leader writes it."""
BOT_CONTEXT: Final = "dp-bot-"
"""Begins the context of each bot."""
ADMISSION_SECONDS: Final = 2
"""How long a call waits for a bot, which takes it in some hundredths of a second."""
MEDIA_SECONDS: Final = 10
"""How long a media channel waits for its caller, who comes at once or has hung up."""
MOST_BOTS: Final = 10
"""Bots that one call is sent to, so that two cannot send it to each other without end."""

VOICE_BOT = routine(
    "voice_bot",
    ("name", "most", "seconds", "context", "extension"),
    r"""
          Set(LOCAL(campaign)=${FILTER(a-z0-9.\x2d,${DIALPLANE_CAMPAIGN})})
          Set(LOCAL(destination)=${FILTER(0-9+,${DIALPLANE_DESTINATION})})
          GotoIf($["x${destination}" = "x"]?count)
          Set(CALLERID(num)=${destination})
    count: Set(DIALPLANE_BOTS=$[0${DIALPLANE_BOTS} + 1])
          GotoIf($[${DIALPLANE_BOTS} > MOST_BOTS]?fallback)
          Set(GROUP(dpbot)=<name>)
          GotoIf($[${GROUP_COUNT(<name>@dpbot)} > <most>]?fallback)
          Set(LOCAL(open)=${FILTER(a-z0-9&\x2d,${DB(dpbot/apps)})})
          GotoIf($["x${open}" = "x"]?fallback)
          Set(LOCAL(first)=${RAND(1,${FIELDQTY(open,&)})})
          Set(LOCAL(before)=$[${first} - 1])
          Set(LOCAL(left)=${CUT(open,&,${first}-)}${IF($[${before} > 0]?&${CUT(open,&,1-${before})})})
          Set(LOCAL(tries)=0)
    next: GotoIf($["x${left}" = "x"]?fallback)
          Set(LOCAL(application)=${CUT(left,&,1)})
          Set(LOCAL(left)=${CUT(left,&,2-)})
          Set(LOCAL(tries)=$[${tries} + 1])
          Set(LOCAL(media)=dpbot-${UNIQUEID}-${DIALPLANE_BOTS}-${tries})
          Set(LOCAL(stage)=admission)
          Set(TIMEOUT(absolute)=ADMISSION_SECONDS)
          Stasis(${application},<name>,${campaign},${destination},${media})
          Set(TIMEOUT(absolute)=0)
          GotoIf($["${STASISSTATUS}" = "SUCCESS"]?:next)
          GotoIf(${CHANNEL_EXISTS(${media})}?:next)
          GosubIf($["${DIALPLANE_RECORD}" = "always"]?<recording>,s,1(0))
          Answer()
          Set(LOCAL(stage)=call)
          Set(TIMEOUT(absolute)=<seconds>)
          Bridge(${media},x)
          Set(TIMEOUT(absolute)=0)
          GotoIf($["${BRIDGERESULT}" = "SUCCESS"]?:fallback)
          Set(LOCAL(next)=${FILTER(0-9,${HANGUPCAUSE})})
          GotoIf(${DIALPLAN_EXISTS(dp-bot-<name>,${next},1)}?:fallback)
          Set(GROUP(dpbot)=)
          Goto(dp-bot-<name>,${next},1)
    overdue: GotoIf($["${stage}" = "admission"]?next)
    fallback: Set(GROUP(dpbot)=)
          Goto(<context>,<extension>,1)
    """.replace("MOST_BOTS", str(MOST_BOTS)).replace("ADMISSION_SECONDS", str(ADMISSION_SECONDS)),
    calls=(RECORDING,),
    overdue="overdue",
)
"""Sends a call to a bot: to one of the applications at random, then to the others. Everything else is the fallback.
Whom a campaign called is the caller: Asterisk itself would show a name of the carrier's channel."""

ROUTINES = (VOICE_BOT,)
"""Rendered only where a bot is served: they need modules that nothing else does."""


def bot_context(key: Key) -> str:
    """The context of what may follow a bot that is served."""
    return f"{BOT_CONTEXT}{key.name}"


def voice_bots(site: Site, destinations: Destinations) -> Iterator[DialplanContext]:
    """The bots, their numbers, and where their callers go on; nothing at a site that has none."""
    if not site.voice_bots:
        return
    owner = site.asterisk_key
    served = [bot for bot in site.voice_bots if bot.served]
    if served:
        yield from (each.rendered(owner) for each in ROUTINES)
        yield context(MEDIA, owner, [entry("s", MEDIA_WAITS_IN, str(MEDIA_SECONDS), owner)])
    yield context(VOICE_BOTS, owner, [_entrance(bot, destinations) for bot in site.voice_bots])
    yield from (context(bot_context(bot.key), bot.key, _ways_on(bot, destinations)) for bot in served)
    groups = list(_groups(site, destinations))
    if groups:
        yield context(VOICE_BOT_GROUPS, owner, groups)
    numbers = list(_numbers(site, destinations))
    if numbers:
        yield context(VOICE_BOT_NUMBERS, owner, numbers)


def _entrance(bot: Bot, destinations: Destinations) -> DialplanEntry:
    # A way that leads nowhere ends the call; the checks report it.
    fallback = destinations.address(bot.spec.fallback.to.destination, _fallback_group(bot)) or ENDED
    if not bot.served:
        return _goto(bot.key.name, fallback, bot.key)
    most, seconds = str(bot.spec.max_concurrent_calls), str(bot.spec.max_call_seconds)
    return VOICE_BOT.entry(bot.key.name, bot.key, bot.key.name, most, seconds, fallback.context, fallback.extension)


def _ways_on(bot: Bot, destinations: Destinations) -> Iterator[DialplanEntry]:
    yield END_OF_CALL.entry(str(next_code(HANGUP)), bot.key)
    for name, to in _transfers(bot).items():
        # Left out where it leads nowhere, so that the caller goes to the fallback; the checks report it.
        if address := destinations.address(to, _transfer_group(bot, name)):
            yield _goto(str(next_code(name)), address, bot.key)


def _groups(site: Site, destinations: Destinations) -> Iterator[DialplanEntry]:
    for bot in site.voice_bots:
        group = bot.spec.fallback.to.ring_group
        if group is not None:
            yield destinations.group_entry(group, _fallback_group(bot), bot.key)
        for name, to in _transfers(bot).items() if bot.served else ():
            if to.ring_group is not None:
                yield destinations.group_entry(to.ring_group, _transfer_group(bot, name), bot.key)


def _numbers(site: Site, destinations: Destinations) -> Iterator[DialplanEntry]:
    taken = set(destinations.numbers)
    for bot in sorted(site.voice_bots, key=lambda each: not each.served):
        number = bot.spec.number
        if number is not None and number not in taken:
            taken.add(number)
            yield _goto(number, Address(VOICE_BOTS, bot.key.name), bot.key)


def _transfers(bot: Bot) -> dict[str, Destination]:
    return {name: to for name, _, to in transfers(bot.spec)}


def _goto(extension: str, to: Address, owner: Key) -> DialplanEntry:
    return entry(extension, "Goto", f"{argument(to.context)},{argument(to.extension)},1", owner)


def _fallback_group(bot: Bot) -> Address:
    return Address(VOICE_BOT_GROUPS, f"{bot.key.name}-fallback")


def _transfer_group(bot: Bot, name: str) -> Address:
    return Address(VOICE_BOT_GROUPS, f"{bot.key.name}-{next_code(name)}")
