// Scenarios for jsforce, unmodified. Usage: node jsforce_scenarios.js NAME, with the orgs' ready lines as JSON on
// standard input; exit status 0 means that everything was as a real org does it.
'use strict'
const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const jsforce = createRequire(`${process.env.PARITY_MODULES}/x.js`)('jsforce')

const org = JSON.parse(readFileSync(0, 'utf8'))
const connect = (more = {}) =>
  new jsforce.Connection({ instanceUrl: org.instance_url, accessToken: org.access_token, version: '62.0', ...more })
const control = async (method, path, body) => {
  const answer = await fetch(org.control_url + path, { method, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  return answer.json()
}
const addRows = async (object, rows) => (await control('POST', `/rows/${object}`, rows)).ids
const fails = async (work, name) => {
  try {
    await work()
  } catch (error) {
    assert.equal(error.errorCode ?? error.name, name, error.message)
    return error
  }
  assert.fail(`expected ${name}`)
}
const names = (count, prefix) => Array.from({ length: count }, (_, place) => ({ Name: `${prefix} ${place}` }))

const scenarios = {
  async signs_in_and_knows_who_it_is() {
    const c = connect()
    const me = await c.identity()
    assert.equal(me.organization_id, org.org_id)
    assert.equal(me.username, org.username)
    const other = new jsforce.Connection({ loginUrl: org.instance_url, version: '62.0' })
    const info = await other.login(org.username, org.password)
    assert.equal(info.organizationId, org.org_id)
    assert.equal((await other.query('SELECT Id FROM Organization')).totalSize, 1)
    const { accessToken } = other
    await other.logout()
    await fails(() => connect({ accessToken }).query('SELECT Id FROM Organization'), 'INVALID_SESSION_ID')
    const wrong = new jsforce.Connection({ loginUrl: org.instance_url })
    await assert.rejects(() => wrong.login(org.username, 'wrong'), /INVALID_LOGIN/)
  },

  async signs_in_by_code_with_its_own_pkce_and_refreshes() {
    const oauth2 = new jsforce.OAuth2({
      loginUrl: org.instance_url,
      clientId: 'PlatformCLI',
      redirectUri: 'http://localhost:1717/OauthRedirect',
      useVerifier: true,
    })
    const page = oauth2.getAuthorizationUrl({ scope: 'refresh_token api web', state: 'x1', prompt: 'login' })
    const code = await walkThroughThePages(page)
    const c = new jsforce.Connection({ oauth2, version: '62.0' })
    const info = await c.authorize(code)
    assert.equal(info.organizationId, org.org_id)
    let refreshed = 0
    c.on('refresh', () => { refreshed += 1 })
    c.accessToken = `${c.accessToken}dead`
    assert.equal((await c.query('SELECT Id FROM Organization')).totalSize, 1)
    assert.equal(refreshed, 1)
    await assert.rejects(() => oauth2.refreshToken('5Aep861dead'), { name: 'invalid_grant' })
    await c.oauth2.revokeToken(c.refreshToken)
    await assert.rejects(() => oauth2.refreshToken(c.refreshToken), { name: 'invalid_grant' })
  },

  async describes_the_org() {
    const c = connect()
    const all = await c.describeGlobal()
    assert.ok(all.sobjects.some((entry) => entry.name === 'Account' && entry.keyPrefix === '001'))
    const account = await c.sobject('Account').describe()
    assert.ok(account.fields.some((field) => field.name === 'Name' && field.type === 'string'))
    assert.ok(account.childRelationships.some((entry) => entry.childSObject === 'Contact'))
    await fails(() => c.sobject('Nothing__c').describe(), 'NOT_FOUND')
    assert.ok((await c.limits()).DailyApiRequests.Max > 0)
    assert.ok(c.limitInfo.apiUsage.used > 0)
    const versions = await c.request('/services/data')
    assert.equal(versions[0].version, '31.0')
    const now = await c.soap.getServerTimestamp()
    assert.ok(!Number.isNaN(Date.parse(now.timestamp)))
    const me = await c.soap.getUserInfo()
    assert.equal(me.organizationId, org.org_id)
  },

  async queries_page_by_page() {
    await addRows('Account', names(4500, 'Paged'))
    const c = connect()
    const soql = "SELECT Id, Name FROM Account WHERE Name LIKE 'Paged%' ORDER BY Name"
    const first = await c.query(soql)
    assert.deepEqual([first.totalSize, first.done, first.records.length], [4500, false, 2000])
    const second = await c.queryMore(first.nextRecordsUrl)
    assert.equal(second.records.length, 2000)
    const all = await c.query(soql, { autoFetch: true, maxFetch: 10000 })
    assert.equal(new Set(all.records.map((row) => row.Id)).size, 4500)
    const some = await c.query(soql, { autoFetch: true, maxFetch: 3000 })
    assert.equal(some.records.length, 3000)
    const small = await c.query(soql, { headers: { 'Sforce-Query-Options': 'batchSize=200' } })
    assert.equal(small.records.length, 200)
    const deleted = all.records.slice(0, 2500).map((row) => row.Id)
    for (let at = 0; at < deleted.length; at += 200) await c.sobject('Account').destroy(deleted.slice(at, at + 200))
    const seen = await c.query(soql, { autoFetch: true, maxFetch: 10000, scanAll: true })
    assert.equal(seen.records.length, 4500)
    assert.equal((await c.query(soql)).totalSize, 2000)
    assert.equal((await c.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Paged%'")).totalSize, 2000)
  },

  async finds_with_its_own_builder_and_children() {
    const [acme, bare] = await addRows('Account', [{ Name: 'Parent' }, { Name: 'Bare' }])
    await addRows('Contact', [
      { LastName: 'One', AccountId: acme },
      { LastName: 'Two', AccountId: acme },
    ])
    const c = connect()
    const found = await c
      .sobject('Contact')
      .find({ 'Account.Name': 'Parent', LastName: { $like: 'T%' } }, 'Id, LastName, Account.Name')
      .sort({ LastName: 1 })
      .limit(5)
    assert.deepEqual(found.map((row) => [row.LastName, row.Account.Name]), [['Two', 'Parent']])
    const parents = await c
      .sobject('Account')
      .find({ Name: { $in: ['Parent', 'Bare'] } })
      .select('Id, Name')
      .include('Contacts')
      .select('LastName')
      .orderby('LastName')
      .end()
      .sort('-Name')
    assert.deepEqual(parents[0].Contacts.records.map((row) => row.LastName), ['One', 'Two'])
    assert.equal(parents[1].Id, bare)
    assert.equal(parents[1].Contacts, null)
    assert.equal(await c.sobject('Contact').count({ AccountId: acme }), 2)
    const stream = []
    await c.query('SELECT Id FROM Contact').on('record', (row) => stream.push(row.Id)).run({ autoFetch: true })
    assert.ok(stream.length >= 2)
  },

  async creates_reads_changes_and_deletes() {
    const c = connect()
    const accounts = c.sobject('Account')
    const made = await accounts.create({ Name: 'Zoë’s Café ☕', NumberOfEmployees: 7 })
    assert.deepEqual([made.success, made.errors], [true, []])
    const row = await accounts.retrieve(made.id)
    assert.equal(row.Name, 'Zoë’s Café ☕')
    assert.equal(row.NumberOfEmployees, 7)
    assert.equal((await accounts.retrieve(made.id, { fields: ['Name'] })).Phone, undefined)
    assert.equal((await accounts.update({ Id: made.id, Phone: '1' })).id, made.id)
    assert.equal((await accounts.record(made.id).retrieve()).Phone, '1')
    const now = Date.now()
    const touched = await accounts.updated(new Date(now - 3600e3).toISOString(), new Date(now + 120e3).toISOString())
    assert.ok(touched.ids.includes(made.id))
    assert.equal((await accounts.destroy(made.id)).success, true)
    const gone = await accounts.deleted(new Date(now - 3600e3).toISOString(), new Date(now + 120e3).toISOString())
    assert.ok(gone.deletedRecords.some((entry) => entry.id === made.id))
    await fails(() => accounts.retrieve(made.id), 'ENTITY_IS_DELETED')
    await fails(() => accounts.destroy(made.id), 'ENTITY_IS_DELETED')
  },

  async names_errors_as_a_real_org_does() {
    const c = connect()
    const missing = await fails(() => c.sobject('Contact').create({ FirstName: 'x' }), 'REQUIRED_FIELD_MISSING')
    assert.deepEqual(missing.data?.fields ?? missing.content?.fields, ['LastName'])
    await fails(() => c.sobject('Account').create({ Name: 'x', Nope: 1 }), 'INVALID_FIELD')
    await fails(() => c.sobject('Account').create({ Name: 'x'.repeat(256) }), 'STRING_TOO_LONG')
    await fails(() => c.query('SELECT Nope FROM Account'), 'INVALID_FIELD')
    await fails(() => c.query('SELECT Id FROM Nope'), 'INVALID_TYPE')
    await fails(() => c.query('SELECT FROM'), 'MALFORMED_QUERY')
    await fails(() => c.queryMore('/services/data/v62.0/query/01g000000000000AAA-2000'), 'INVALID_QUERY_LOCATOR')
    await fails(() => connect({ accessToken: `${org.access_token}no` }).query('SELECT Id FROM Account'), 'INVALID_SESSION_ID')
    await fails(() => c.sobject('Account').update({ Id: '001000000000000AAA', Name: 'x' }), 'NOT_FOUND')
    await fails(() => c.request('/services/data/v62.0/nothing-like-this'), 'NOT_EMULATED')
  },

  async upserts_one_by_one_and_in_many() {
    for (const version of ['45.0', '50.0', '62.0']) {
      const accounts = connect({ version }).sobject('Account')
      const key = `key-${version}`
      const made = await accounts.upsert({ Ext__c: key, Name: 'first' }, 'Ext__c')
      assert.equal(made.success, true)
      const again = await accounts.upsert({ Ext__c: key, Name: 'second' }, 'Ext__c')
      assert.equal(again.success, true)
      const many = await accounts.upsert(
        [{ Ext__c: key, Name: 'third' }, { Ext__c: `${key}-new`, Name: 'made' }],
        'Ext__c',
      )
      assert.deepEqual(many.map((result) => result.success), [true, true])
      if (version !== '45.0') assert.deepEqual(many.map((result) => result.created), [false, true])
      const row = await accounts.findOne({ Ext__c: key }, 'Name')
      assert.equal(row.Name, 'third')
    }
    await addRows('Account', [{ Name: 'twin', Loose__c: 'same' }, { Name: 'twin', Loose__c: 'same' }])
    const several = await fails(
      () => connect().sobject('Account').upsert({ Loose__c: 'same', Name: 'x' }, 'Loose__c'),
      'MULTIPLE_CHOICES',
    )
    assert.equal(several.data.length, 2)
    assert.ok(several.data.every((url) => url.startsWith('/services/data/v62.0/sobjects/Account/001')))
    const byId = await connect().requestPatch('/composite/sobjects/Account/Id', {
      records: [{ attributes: { type: 'Account' }, Id: null, Name: 'by id' }],
    })
    assert.deepEqual([byId[0].success, byId[0].created], [true, true])
  },

  async writes_collections_of_any_size() {
    const c = connect()
    const accounts = c.sobject('Account')
    const made = await accounts.create(names(450, 'Many'), { allowRecursive: true })
    assert.equal(made.filter((result) => result.success).length, 450)
    const ids = made.map((result) => result.id)
    const rows = await accounts.retrieve(ids.slice(0, 3), { fields: ['Name'] })
    assert.deepEqual(rows.map((row) => row.Name), ['Many 0', 'Many 1', 'Many 2'])
    const changed = await accounts.update(ids.map((Id) => ({ Id, Phone: '9' })), { allowRecursive: true })
    assert.equal(changed.filter((result) => result.success).length, 450)
    await fails(() => c.requestPost('/composite/sobjects', {
      records: names(201, 'x').map((row) => ({ attributes: { type: 'Account' }, ...row })),
    }), 'EXCEEDED_MAX_SIZE_REQUEST')
    const mixed = await accounts.create([{ Name: 'good' }, { Phone: 'no name' }])
    assert.deepEqual(mixed.map((result) => result.success), [true, false])
    assert.deepEqual(mixed[1].errors[0], {
      statusCode: 'REQUIRED_FIELD_MISSING', message: 'Required fields are missing: [Name]', fields: ['Name'],
    })
    const gone = await accounts.destroy(ids, { allowRecursive: true })
    assert.equal(gone.filter((result) => result.success).length, 450)
  },

  async takes_a_refused_collection_back_whole() {
    const c = connect()
    const before = await c.sobject('Account').count({})
    const records = [
      { Ext__c: 'back-1', Name: 'a' },
      { Ext__c: 'back-2', Name: 'b', OwnerId: 'bad' },
      { Ext__c: 'back-3', Name: 'c' },
    ]
    const results = await c.sobject('Account').upsert(records, 'Ext__c', { allOrNone: true })
    assert.deepEqual(results.map((result) => [result.success, result.created]), Array(3).fill([false, true]))
    assert.deepEqual(results.map((result) => result.errors[0].statusCode), [
      'ALL_OR_NONE_OPERATION_ROLLED_BACK', 'MALFORMED_ID', 'ALL_OR_NONE_OPERATION_ROLLED_BACK',
    ])
    assert.equal(await c.sobject('Account').count({}), before)
  },

  async loads_in_bulk_two() {
    const c = connect()
    const records = [...names(200, 'Bulk, "two"'), { Name: '', Phone: 'no name' }].map((row) => ({ Phone: '', ...row }))
    const got = await c.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'insert', input: records })
    assert.equal(got.successfulResults.length, 200)
    assert.equal(got.successfulResults[3].Name, 'Bulk, "two" 3')
    assert.equal(got.failedResults.length, 1)
    assert.equal(got.failedResults[0].sf__Id, '')
    assert.equal(
      got.failedResults[0].sf__Error, 'REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --',
    )
    assert.deepEqual(got.unprocessedRecords, [])
    const changes = got.successfulResults.map((row) => ({ Id: row.sf__Id, Phone: '7' }))
    const changed = await c.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'update', input: changes })
    assert.equal(changed.successfulResults.length, 200)
    const upserted = await c.bulk2.loadAndWaitForResults({
      object: 'Account', operation: 'upsert', externalIdFieldName: 'Ext__c',
      input: [{ Ext__c: 'bulk-1', Name: 'x' }, { Ext__c: 'bulk-2', Name: 'y' }],
    })
    assert.deepEqual(upserted.successfulResults.map((row) => row.sf__Created), ['true', 'true'])
    const ids = got.successfulResults.map((row) => ({ Id: row.sf__Id }))
    const gone = await c.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'delete', input: ids })
    assert.equal(gone.successfulResults.length, 200)
    for (const operation of ['insert', 'delete']) {
      const empty = await c.bulk2.loadAndWaitForResults({ object: 'Account', operation, input: [] })
      assert.deepEqual(empty, { successfulResults: [], failedResults: [], unprocessedRecords: [] })
    }
  },

  async loads_in_bulk_two_with_any_delimiter() {
    const c = connect()
    const marks = { BACKQUOTE: '`', CARET: '^', PIPE: '|', SEMICOLON: ';', TAB: '\t', COMMA: ',' }
    for (const [columnDelimiter, mark] of Object.entries(marks)) {
      for (const lineEnding of ['LF', 'CRLF']) {
        const end = lineEnding === 'LF' ? '\n' : '\r\n'
        const name = `all \`^|;, ${columnDelimiter} ${lineEnding}`
        const input = `Name${mark}Phone${end}"${name}"${mark}1${end}`
        const job = c.bulk2.createJob({ object: 'Account', operation: 'insert', columnDelimiter, lineEnding })
        await job.open()
        await job.uploadData(input)
        await job.close()
        await job.poll(50, 20000)
        const results = await job.getAllResults()
        assert.deepEqual(results.successfulResults.map((row) => row.Name), [name])
        await job.delete()
        if (columnDelimiter !== 'COMMA') continue // jsforce reads query results with commas only
        const stream = await c.bulk2.query(`SELECT Name, Phone FROM Account WHERE Name = '${name}'`, { lineEnding })
        assert.deepEqual(await stream.toArray(), [{ Name: name, Phone: '1' }])
      }
    }
  },

  async reads_in_bulk_two() {
    await addRows('Account', names(1200, 'Read'))
    const c = connect()
    c.bulk2.pollInterval = 50
    const stream = await c.bulk2.query("SELECT Id, Name, Parent.Name FROM Account WHERE Name LIKE 'Read %'")
    const rows = await stream.toArray()
    assert.equal(new Set(rows.map((row) => row.Id)).size, 1200)
    assert.equal(rows[0]['Parent.Name'], '')
    const none = await (await c.bulk2.query("SELECT Id FROM Account WHERE Name = 'nobody'")).toArray()
    assert.deepEqual(none, [])
    await fails(() => c.bulk2.query('SELECT Nope FROM Account'), 'INVALID_FIELD')
    await fails(() => connect({ accessToken: '00D000000000000!x' }).bulk2.query('SELECT Id FROM Account'), 'INVALID_SESSION_ID')
    const refreshed = connect({
      accessToken: '00D000000000000!x', refreshFn: (_, done) => done(null, org.access_token),
    })
    assert.equal((await (await refreshed.bulk2.query("SELECT Id FROM Account WHERE Name = 'nobody'")).toArray()).length, 0)
  },

  async loads_and_reads_in_bulk_one() {
    const c = connect()
    c.bulk.pollInterval = 50
    const results = await c.bulk.load('Account', 'insert', [
      ...names(200, 'Bulk one').map((row) => ({ ...row, Phone: '' })), { Name: '', Phone: 'no name' },
    ])
    assert.equal(results.filter((result) => result.success).length, 200)
    assert.equal(results[200].success, false)
    assert.deepEqual(results[200].errors, [
      'REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --',
    ])
    const ids = results.slice(0, 200).map((result) => ({ Id: result.id }))
    const changed = await c.bulk.load('Account', 'update', ids.map((row) => ({ ...row, Phone: '5' })))
    assert.equal(changed.filter((result) => result.success).length, 200)
    const upserted = await c.bulk.load('Account', 'upsert', { extIdField: 'Ext__c' }, [{ Ext__c: 'one-1', Name: 'x' }])
    assert.equal(upserted[0].success, true)
    const rows = await (await c.bulk.query("SELECT Id, Name, Phone FROM Account WHERE Name LIKE 'Bulk one%'")).toArray()
    assert.equal(rows.length, 200)
    assert.equal(rows[0].Phone, '5')
    const gone = await c.bulk.load('Account', 'delete', ids)
    assert.equal(gone.filter((result) => result.success).length, 200)
    const job = c.bulk.createJob('Account', 'insert')
    await job.open()
    assert.equal((await job.check()).state, 'Open')
    assert.deepEqual(await job.list(), [undefined]) // what jsforce makes of an empty list
    assert.equal((await job.close()).state, 'Closed')
    const dropped = c.bulk.createJob('Account', 'insert')
    await dropped.open()
    assert.equal((await dropped.abort()).state, 'Aborted')
    const stranger = connect({ accessToken: '00D000000000000!x' }).bulk.createJob('Account', 'insert')
    stranger.on('error', () => {})
    await fails(() => stranger.open(), 'InvalidSessionId')
    const refreshed = connect({
      accessToken: '00D000000000000!x', refreshFn: (_, done) => done(null, org.access_token),
    })
    refreshed.bulk.pollInterval = 50
    assert.equal((await refreshed.bulk.load('Account', 'insert', names(1, 'refreshed')))[0].success, true)
  },

  async speaks_soap_where_it_must() {
    const c = connect()
    const [one, two, three] = await addRows('Account', names(3, 'Soap'))
    await c.sobject('Account').destroy([one, two])
    const back = await c.soap.undelete([one])
    assert.equal([back].flat()[0].success, true)
    const emptied = await c.soap.emptyRecycleBin([two])
    assert.equal([emptied].flat()[0].success, true)
    assert.equal((await c.query(`SELECT Id FROM Account WHERE Id IN ('${one}','${two}','${three}')`, { scanAll: true })).totalSize, 2)
    await addRows('Contact', [{ LastName: 'Moves', AccountId: three }])
    const merged = await c.soap.merge({ masterRecord: { type: 'Account', Id: one }, recordToMergeIds: [three] })
    assert.equal([merged].flat()[0].success, true)
    assert.equal((await c.query(`SELECT Id FROM Contact WHERE AccountId = '${one}'`)).totalSize, 1)
    const [lead] = await addRows('Lead', [{ LastName: 'Lead', Company: 'Lead & Co', Status: 'Open - Not Contacted' }])
    const converted = await c.soap.convertLead({ leadId: lead, convertedStatus: 'Closed - Converted' })
    const result = [converted].flat()[0]
    assert.equal(result.success, true, JSON.stringify(result))
    assert.equal((await c.sobject('Account').retrieve(result.accountId)).Name, 'Lead & Co')
    assert.equal((await c.sobject('Lead').retrieve(lead)).IsConverted, true)
    await assert.rejects(() => connect({ accessToken: '00D000000000000!x' }).soap.getUserInfo(), { name: 'sf:INVALID_SESSION_ID' })
  },

  async makes_fields_by_metadata() {
    const c = connect()
    const field = { fullName: 'Account.Made__c', label: 'Made', type: 'Text', length: 18, externalId: true, unique: true }
    const made = [await c.metadata.create('CustomField', field)].flat()[0]
    assert.deepEqual([made.success, made.fullName], [true, 'Account.Made__c'])
    const again = [await c.metadata.create('CustomField', field)].flat()[0]
    assert.equal(again.success, false)
    assert.equal(again.errors.statusCode ?? again.errors[0].statusCode, 'DUPLICATE_DEVELOPER_NAME')
    const read = [await c.metadata.read('CustomField', 'Account.Made__c')].flat()[0]
    assert.equal(read.label, 'Made')
    const upserted = [await c.metadata.upsert('CustomField', { ...field, label: 'Other' })].flat()[0]
    assert.deepEqual([upserted.success, upserted.created], [true, false])
    const gone = [await c.metadata.delete('CustomField', 'Account.Made__c')].flat()[0]
    assert.equal(gone.success, true)
    const tooling = await c.tooling.query("SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId = 'Account'")
    assert.ok(!tooling.records.some((row) => row.DeveloperName === 'Made'))
  },
}

async function walkThroughThePages(page) {
  const jar = new Map()
  const step = async (url, options = {}) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { redirect: 'manual', ...options, headers: { ...options.headers, cookie } })
    for (const line of answer.headers.getSetCookie()) jar.set(...line.split(';')[0].split('=', 2))
    return answer
  }
  let answer = await step(page)
  for (let turn = 0; turn < 6; turn += 1) {
    const location = answer.headers.get('location')
    if (location?.startsWith('http://localhost:1717/')) return new URL(location).searchParams.get('code')
    if (location) {
      answer = await step(new URL(location, org.instance_url))
      continue
    }
    const text = await answer.text()
    const action = /<form[^>]*action="([^"]*)"/.exec(text)?.[1] ?? page
    const values = new URLSearchParams()
    for (const [tag] of text.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(tag)?.[1]
      if (name) values.set(name, (/value="([^"]*)"/.exec(tag)?.[1] ?? '').replaceAll('&amp;', '&'))
    }
    values.set('action', values.has('pw') ? 'login' : 'allow')
    if (values.has('pw')) values.set('username', org.username)
    if (values.has('pw')) values.set('pw', org.password)
    answer = await step(new URL(action.replaceAll('&amp;', '&'), org.instance_url), { method: 'POST', body: values })
  }
  throw new Error('the pages led nowhere')
}

const name = process.argv[2]
if (name === '--list') {
  process.stdout.write(Object.keys(scenarios).join('\n'))
} else {
  scenarios[name]().catch((error) => {
    process.stderr.write(`${error.stack ?? error}\n${JSON.stringify(error.data ?? error.content ?? null)}\n`)
    process.exitCode = 1
  })
}
