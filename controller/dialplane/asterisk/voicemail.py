"""Messages in mailboxes, as app_voicemail itself counts and deletes them."""

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing


async def new_messages(ami: Ami) -> dict[str, int]:
    """The new messages of each mailbox of `[default]`; none where the module does not run. Raises as `Ami.list`."""
    try:
        events = await ami.list("VoicemailUsersList")
    except PermissionMissing:
        raise
    except ActionRefused:
        return {}
    return {
        event["VoiceMailbox"]: int(count)
        for event in events
        if event.get("VMContext") == "default" and (count := event.get("NewMessageCount", "")).isdecimal()
    }


async def delete_message(ami: Ami, mailbox: str, folder: str, message: str) -> bool:
    """Delete a message by its id; False where Asterisk knows none of that id there any more. Raises as `Ami.action`.

    Asterisk numbers the others anew under its own lock, and tells the phones.
    """
    try:
        await ami.action("VoicemailRemove", Context="default", Mailbox=mailbox, Folder=folder, ID=message)
    except (PermissionMissing, ActionUnknown):
        raise
    except ActionRefused:
        return False
    return True
