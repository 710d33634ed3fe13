/*
 * Inner parts of the visitors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_VISIT_PRIV_H
#define QAPI_VISIT_PRIV_H

#include "qapi/visit.h"

/* Bytes that a member or list item of that type takes. */
size_t qapi_value_size(const QapiType *type);
/* Is the member there, in the struct p? */
bool qapi_field_present(const QapiField *f, const void *p);
/* The selected branch's struct, or NULL if it has no members. */
const QapiType *qapi_union_branch(const QapiType *type, const void *p);
/* NULL only if the struct was filled in wrongly. */
const QapiField *qapi_alternate_branch(const QapiType *type, const void *p);

#endif
