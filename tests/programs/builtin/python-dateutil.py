"""Reads dates, repeats them, and knows time zones."""

import datetime

from dateutil import parser, relativedelta, rrule, tz, zoneinfo

print(parser.parse("3rd of May 2024 5pm"))
print(datetime.date(2024, 1, 31) + relativedelta.relativedelta(months=1))
print([at.day for at in rrule.rrule(rrule.WEEKLY, count=3, dtstart=datetime.datetime(2024, 1, 1))])
sofia = zoneinfo.get_zonefile_instance().get("Europe/Sofia")
print(datetime.datetime(2024, 7, 1, tzinfo=sofia).utcoffset(), tz.gettz("Europe/Sofia") is not None)
