"""Numbers and names as a network sends them."""

from dialplane.plan.dialplan.routine import routine

PLAIN_NAME = r"${FILTER(A-Za-z0-9 ._+&\x27\x2c\x2d\x2f\x28\x29\x80-\xff,${CALLERID(name)})}"
r"""The caller's name: letters, digits, blanks and `. _ + & ' , - / ( )`; bytes above 7f are UTF-8. A dash is `\x2d`,
because FILTER swallows one at the end of its list."""

# The variable may hold anything that a network lets through, so it is never an argument, nor part of an expression:
# only its length is, with and without what stands in no number.
PLAIN_NUMBER = routine(
    "plain_number",
    (),
    r"""
          Set(LOCAL(said)=${CUT(said,;,1)})
          Set(LOCAL(digits)=${FILTER(0-9+,${said})})
          Set(LOCAL(readable)=${FILTER(0-9+.\x20\x28\x29\x2d,${said})})
          Return(${IF($[${LEN(${readable})} = ${LEN(${said})}]?${digits:0:40})})
    """,
)
"""Returns the number in the caller's variable `said`: digits and `+`, at most 40, without what only makes it readable
and without parameters (`;npdi=yes`). Nothing where it is no number: the digits of `alice7` are none."""

ROUTINES = (PLAIN_NUMBER,)
