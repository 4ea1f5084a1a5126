"""Which module brings which dialplan application, and which function.

Asterisk accepts a line with an application that does not exist, and lists it like any other; the call that meets it
ends. AMI has no list of applications for an account without `command`, but ModuleCheck tells whether a module runs.

Source: `module=` of each application in Asterisk 22's documentation/core-en_US.xml; checked against a running one.
"""

import re
from collections.abc import Iterator

from dialplane.plan.dialplan.used import MODULES as USED

_APPLICATIONS = {
    "": (
        "Answer BackGround Bridge Busy CallCompletionCancel CallCompletionRequest Congestion ExecIfTime Goto "
        "GotoIf GotoIfTime Hangup Incomplete MSet MessageSend NoOp Proceeding Progress RaiseException Ringing "
        "SayAlpha SayAlphaCase SayDigits SayMoney SayNumber SayOrdinal SayPhonetic Set Wait WaitDigit "
        "WaitExten"
    ),
    "app_agent_pool": "AgentLogin AgentRequest",
    "app_alarmreceiver": "AlarmReceiver",
    "app_amd": "AMD",
    "app_attended_transfer": "AttendedTransfer",
    "app_audiosocket": "AudioSocket",
    "app_authenticate": "Authenticate",
    "app_blind_transfer": "BlindTransfer",
    "app_bridgeaddchan": "BridgeAdd",
    "app_bridgewait": "BridgeWait",
    "app_broadcast": "Broadcast",
    "app_cdr": "ResetCDR",
    "app_celgenuserevent": "CELGenUserEvent",
    "app_chanisavail": "ChanIsAvail",
    "app_channelredirect": "ChannelRedirect",
    "app_chanspy": "ChanSpy DAHDIScan ExtenSpy",
    "app_confbridge": "ConfBridge ConfKick",
    "app_controlplayback": "ControlPlayback",
    "app_db": "DBdeltree",
    "app_dial": "Dial RetryDial",
    "app_dictate": "Dictate",
    "app_directed_pickup": "Pickup PickupChan",
    "app_directory": "Directory",
    "app_disa": "DISA",
    "app_dtmfstore": "StoreDTMF",
    "app_dumpchan": "DumpChan",
    "app_echo": "Echo",
    "app_exec": "Exec ExecIf TryExec",
    "app_externalivr": "ExternalIVR",
    "app_flash": "Flash",
    "app_followme": "FollowMe",
    "app_forkcdr": "ForkCDR",
    "app_if": "Else ElseIf EndIf ExitIf If",
    "app_mf": "ReceiveMF SendMF",
    "app_milliwatt": "Milliwatt",
    "app_minivm": "MinivmAccMess MinivmDelete MinivmGreet MinivmMWI MinivmNotify MinivmRecord",
    "app_mixmonitor": "MixMonitor StopMixMonitor",
    "app_morsecode": "Morsecode",
    "app_mp3": "MP3Player",
    "app_originate": "Originate",
    "app_page": "Page",
    "app_playback": "Playback",
    "app_playtones": "PlayTones StopPlayTones",
    "app_privacy": "PrivacyManager",
    "app_queue": "AddQueueMember PauseQueueMember Queue QueueLog QueueUpdate RemoveQueueMember UnpauseQueueMember",
    "app_read": "Read",
    "app_readexten": "ReadExten",
    "app_record": "Record",
    "app_reload": "Reload",
    "app_saycounted": "SayCountedAdj SayCountedNoun",
    "app_sayunixtime": "DateTime SayUnixTime",
    "app_senddtmf": "SendDTMF",
    "app_sendtext": "ReceiveText SendText",
    "app_sf": "ReceiveSF SendSF",
    "app_signal": "Signal WaitForSignal",
    "app_sla": "SLAStation SLATrunk",
    "app_sms": "SMS",
    "app_softhangup": "SoftHangup",
    "app_speech_utils": (
        "SpeechActivateGrammar SpeechBackground SpeechCreate SpeechDeactivateGrammar SpeechDestroy "
        "SpeechLoadGrammar SpeechProcessingSound SpeechStart SpeechUnloadGrammar"
    ),
    "app_stack": "Gosub GosubIf Return StackPop",
    "app_stasis": "Stasis",
    "app_stasis_broadcast": "StasisBroadcast",
    "app_statsd": "StatsD",
    "app_stream_echo": "StreamEcho",
    "app_system": "System TrySystem",
    "app_talkdetect": "BackgroundDetect",
    "app_transfer": "Transfer",
    "app_userevent": "UserEvent",
    "app_verbose": "Log Verbose",
    "app_voicemail": "VMAuthenticate VMSayName VoiceMail VoiceMailMain VoiceMailPlayMsg",
    "app_waitforcond": "WaitForCondition",
    "app_waitforring": "WaitForRing",
    "app_waitforsilence": "WaitForNoise WaitForSilence",
    "app_waituntil": "WaitUntil",
    "app_while": "ContinueWhile EndWhile ExitWhile While",
    "app_zapateller": "Zapateller",
    "chan_iax2": "IAX2Provision",
    "chan_pjsip": "PJSIPHangup PJSIPNotify",
    "func_hangupcause": "HangupCauseClear",
    "func_odbc": "ODBCFinish",
    "func_strings": "ClearHash",
    "parking_applications": "Park ParkAndAnnounce ParkedCall",
    "res_agi": "AGI DeadAGI EAGI",
    "res_fax": "ReceiveFAX SendFAX",
    "res_musiconhold": "MusicOnHold StartMusicOnHold StopMusicOnHold",
    "res_odbc_transaction": "ODBC_Commit ODBC_Rollback",
    "res_tonedetect": "ToneScan WaitForTone",
    "res_xmpp": "JabberJoin JabberLeave JabberSend JabberSendGroup",
}
_CALL = re.compile(r"\b([A-Z][A-Z_0-9]+)\(")
_MODULES = {name.lower(): module for module, names in _APPLICATIONS.items() for name in names.split()}


def module_of(application: str) -> str | None:
    """The module (without `.so`) that an application needs: empty for a built-in, None where none is known."""
    return _MODULES.get(application.lower())


def functions_in(arguments: str) -> Iterator[str]:
    """The modules (without `.so`) of the functions that a line calls, of those that our own dialplan uses."""
    for name in _CALL.findall(arguments):
        if name in USED:
            yield USED[name].removesuffix(".so")
