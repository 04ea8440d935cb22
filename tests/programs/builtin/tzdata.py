"""The rules of time zones, for `zoneinfo`."""

import datetime
import zoneinfo

at = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("America/New_York"))
print(at.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")), len(zoneinfo.available_timezones()) > 400)
