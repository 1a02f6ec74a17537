#pragma once
int clua_version(void);
