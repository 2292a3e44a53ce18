/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "ctl/oectl.h"

int main(int argc, char **argv)
{
	int status = oectl_main(argc, argv, stdout, stderr);

	/* a full disk behind a redirection is a failure, too */
	if (fclose(stdout) != 0 && status == OECTL_OK)
		status = OECTL_NO;
	return status;
}
