___TERMS_OF_SERVICE___

By creating or modifying this file you agree to Google Tag Manager's Community
Template Gallery Developer Terms of Service available at
https://developers.google.com/tag-manager/gallery-tos (or such other URL as
Google may provide), as modified from time to time.


___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "Signalpost",
  "categories": [
    "ANALYTICS",
    "EMAIL_MARKETING",
    "PERSONALIZATION"
  ],
  "brand": {
    "id": "brand_dummy",
    "displayName": "Signalpost"
  },
  "description": "Sends behavioural events to your own Signalpost server: page views, clicks, scroll depth, forms and shop events, with consent.",
  "containerContexts": [
    "WEB"
  ]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "SELECT",
    "name": "action",
    "displayName": "What this tag does",
    "macrosInSelect": false,
    "simpleValueType": true,
    "defaultValue": "start",
    "alwaysInSummary": true,
    "selectItems": [
      {
        "value": "start",
        "displayValue": "Start Signalpost on the page"
      },
      {
        "value": "track",
        "displayValue": "Send an event"
      },
      {
        "value": "page",
        "displayValue": "Send a page view"
      },
      {
        "value": "identify",
        "displayValue": "Say who the visitor is"
      },
      {
        "value": "ecommerce",
        "displayValue": "Send the data layer's ecommerce event"
      },
      {
        "value": "consent",
        "displayValue": "Say what the visitor decided"
      },
      {
        "value": "reset",
        "displayValue": "Forget who the visitor is"
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "server",
    "displayName": "Server",
    "groupStyle": "NO_ZIPPY",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ],
    "subParams": [
      {
        "type": "TEXT",
        "name": "host",
        "displayName": "Address of the server",
        "simpleValueType": true,
        "valueHint": "https://signalpost.example",
        "defaultValue": "https://signalpost.example",
        "alwaysInSummary": true,
        "help": "Without a path. The template must be allowed to load scripts from it: see the permission \"Injects Scripts\".",
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          },
          {
            "type": "REGEX",
            "args": [
              "^https://[^/]+$"
            ],
            "errorMessage": "An address such as https://signalpost.example"
          }
        ]
      },
      {
        "type": "TEXT",
        "name": "key",
        "displayName": "Write key",
        "simpleValueType": true,
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          }
        ],
        "help": "A key that may only write events: it is public."
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "privacy",
    "displayName": "Consent and privacy",
    "groupStyle": "ZIPPY_OPEN",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ],
    "subParams": [
      {
        "type": "SELECT",
        "name": "consentMode",
        "displayName": "Consent",
        "macrosInSelect": false,
        "simpleValueType": true,
        "defaultValue": "consent_mode",
        "help": "Until it is granted, nothing is stored and nothing is sent.",
        "selectItems": [
          {
            "value": "consent_mode",
            "displayValue": "As Consent Mode says (analytics_storage)"
          },
          {
            "value": "pending",
            "displayValue": "Wait for a tag that says what the visitor decided"
          },
          {
            "value": "granted",
            "displayValue": "Granted"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "gpc",
        "displayName": "Global Privacy Control",
        "macrosInSelect": false,
        "simpleValueType": true,
        "defaultValue": "flag",
        "selectItems": [
          {
            "value": "flag",
            "displayValue": "Note it on each event"
          },
          {
            "value": "drop",
            "displayValue": "Send nothing"
          },
          {
            "value": "ignore",
            "displayValue": "Ignore it"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "dnt",
        "displayName": "Do Not Track",
        "macrosInSelect": false,
        "simpleValueType": true,
        "defaultValue": "flag",
        "selectItems": [
          {
            "value": "flag",
            "displayValue": "Note it on each event"
          },
          {
            "value": "drop",
            "displayValue": "Send nothing"
          },
          {
            "value": "ignore",
            "displayValue": "Ignore it"
          }
        ]
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "automatic",
    "displayName": "Recorded automatically",
    "groupStyle": "ZIPPY_CLOSED",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ],
    "subParams": [
      {
        "type": "CHECKBOX",
        "name": "autoPageView",
        "checkboxText": "Page views",
        "simpleValueType": true,
        "defaultValue": true
      },
      {
        "type": "CHECKBOX",
        "name": "autoClick",
        "checkboxText": "Clicks",
        "simpleValueType": true,
        "defaultValue": true
      },
      {
        "type": "CHECKBOX",
        "name": "autoScroll",
        "checkboxText": "Scroll depth",
        "simpleValueType": true,
        "defaultValue": true
      },
      {
        "type": "CHECKBOX",
        "name": "autoForm",
        "checkboxText": "Form submissions (names of fields, never values)",
        "simpleValueType": true,
        "defaultValue": true
      },
      {
        "type": "CHECKBOX",
        "name": "hash",
        "checkboxText": "Another #fragment is another page",
        "simpleValueType": true,
        "defaultValue": false
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "cookies",
    "displayName": "Cookies",
    "groupStyle": "ZIPPY_CLOSED",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ],
    "subParams": [
      {
        "type": "TEXT",
        "name": "cookieDomain",
        "displayName": "Domain",
        "simpleValueType": true,
        "help": "Shares the browser's id over the subdomains of this one. Empty: this host only."
      },
      {
        "type": "TEXT",
        "name": "cookieDays",
        "displayName": "Days the browser's id is kept",
        "simpleValueType": true,
        "defaultValue": "400",
        "valueValidators": [
          {
            "type": "POSITIVE_NUMBER"
          }
        ]
      },
      {
        "type": "TEXT",
        "name": "cookiePrefix",
        "displayName": "Prefix of names",
        "simpleValueType": true,
        "defaultValue": "sp_"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "eventType",
    "displayName": "Event type",
    "simpleValueType": true,
    "valueHint": "newsletter_signup",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "track",
        "type": "EQUALS"
      }
    ],
    "valueValidators": [
      {
        "type": "NON_EMPTY"
      }
    ],
    "alwaysInSummary": true
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "properties",
    "displayName": "Properties",
    "help": "Facts about the event. product_id names a product of the catalog.",
    "simpleTableColumns": [
      {
        "defaultValue": "",
        "displayName": "Name",
        "name": "name",
        "type": "TEXT",
        "isUnique": true,
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          }
        ]
      },
      {
        "defaultValue": "",
        "displayName": "Value",
        "name": "value",
        "type": "TEXT"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "track",
        "type": "EQUALS"
      },
      {
        "paramName": "action",
        "paramValue": "page",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "customerId",
    "displayName": "Customer id",
    "simpleValueType": true,
    "help": "As your systems name the person. Empty: only notes traits.",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "identify",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "traits",
    "displayName": "Traits",
    "help": "Facts about the person, such as email.",
    "simpleTableColumns": [
      {
        "defaultValue": "",
        "displayName": "Name",
        "name": "name",
        "type": "TEXT",
        "isUnique": true,
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          }
        ]
      },
      {
        "defaultValue": "",
        "displayName": "Value",
        "name": "value",
        "type": "TEXT"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "identify",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "LABEL",
    "name": "ecommerceLabel",
    "displayName": "Reads <b>ecommerce</b> as Google Analytics 4 has it, and sends view_item, add_to_cart, remove_from_cart, begin_checkout and purchase. Fire it on these events.",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "ecommerce",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "SELECT",
    "name": "decision",
    "displayName": "Decision",
    "macrosInSelect": true,
    "simpleValueType": true,
    "defaultValue": "granted",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "consent",
        "type": "EQUALS"
      }
    ],
    "selectItems": [
      {
        "value": "granted",
        "displayValue": "Granted"
      },
      {
        "value": "denied",
        "displayValue": "Denied"
      },
      {
        "value": "pending",
        "displayValue": "Not yet"
      }
    ]
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "purposes",
    "displayName": "Purposes",
    "help": "Recorded as a consent event: true or false for each purpose, such as marketing.",
    "simpleTableColumns": [
      {
        "defaultValue": "",
        "displayName": "Purpose",
        "name": "name",
        "type": "TEXT",
        "isUnique": true,
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          }
        ]
      },
      {
        "defaultValue": "",
        "displayName": "Value",
        "name": "value",
        "type": "TEXT"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "consent",
        "type": "EQUALS"
      }
    ]
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const addConsentListener = require('addConsentListener');
const copyFromDataLayer = require('copyFromDataLayer');
const createArgumentsQueue = require('createArgumentsQueue');
const getType = require('getType');
const injectScript = require('injectScript');
const isConsentGranted = require('isConsentGranted');
const logToConsole = require('logToConsole');
const makeString = require('makeString');
const makeTableMap = require('makeTableMap');
const queryPermission = require('queryPermission');

// The SDK takes what waits here when it loads; later calls reach it directly.
const signalpost = createArgumentsQueue('signalpost', 'signalpost.q');

const table = (rows) => makeTableMap(rows || [], 'name', 'value') || {};

function start() {
  const automatic = [];
  if (data.autoPageView) automatic.push('page_view');
  if (data.autoClick) automatic.push('click');
  if (data.autoScroll) automatic.push('scroll');
  if (data.autoForm) automatic.push('form_submit');
  const byConsentMode = data.consentMode === 'consent_mode';
  const granted = byConsentMode ? isConsentGranted('analytics_storage') : data.consentMode === 'granted';
  const url = makeString(data.host) + '/js/signalpost.js';
  if (!queryPermission('inject_script', url)) {
    logToConsole('Signalpost: the template may not load ' + url + '; add it to the permission "Injects Scripts".');
    data.gtmOnFailure();
    return;
  }
  signalpost('init', {
    key: data.key,
    consent: granted ? 'granted' : 'pending',
    // Consent Mode tells each page anew; what an earlier one was told may be out of date.
    remember: !byConsentMode,
    gpc: data.gpc,
    dnt: data.dnt,
    auto: automatic,
    hash: data.hash === true,
    cookieDomain: data.cookieDomain || '',
    cookieDays: data.cookieDays || 400,
    cookiePrefix: data.cookiePrefix || 'sp_'
  });
  if (byConsentMode) {
    addConsentListener('analytics_storage', (type, now) => {
      signalpost('consent', now ? 'granted' : 'denied');
    });
  }
  injectScript(url, data.gtmOnSuccess, data.gtmOnFailure, url);
}

// An item of Google Analytics 4 as a product.
function product(item, currency) {
  const made = {};
  for (let name in item) {
    if (item[name] !== undefined) made[name] = item[name];
  }
  made.product_id = makeString(item.item_id || item.item_name);
  if (item.item_name) made.name = item.item_name;
  if (item.item_brand) made.brand = item.item_brand;
  if (item.item_category) made.category = item.item_category;
  if (currency && !item.currency) made.currency = currency;
  return made;
}

function ecommerce() {
  const event = copyFromDataLayer('event');
  const shop = copyFromDataLayer('ecommerce');
  const each = { view_item: 'productView', add_to_cart: 'addToCart', remove_from_cart: 'removeFromCart' };
  const whole = { begin_checkout: 'checkoutStarted', purchase: 'purchase' };
  if (!shop || !(each[event] || whole[event])) {
    logToConsole('Signalpost: no ecommerce event of the data layer to send: ' + makeString(event));
    return false;
  }
  const items = getType(shop.items) === 'array' ? shop.items : [];
  const products = items.map((item) => product(item, shop.currency));
  if (each[event]) {
    products.forEach((one) => {
      signalpost(each[event], one);
    });
    return true;
  }
  const order = { items: products };
  if (shop.value !== undefined) order.total = shop.value;
  if (shop.currency) order.currency = shop.currency;
  if (shop.coupon) order.coupon = shop.coupon;
  if (shop.tax !== undefined) order.order_tax = shop.tax;
  if (shop.shipping !== undefined) order.order_shipping = shop.shipping;
  if (shop.transaction_id) order.order_id = makeString(shop.transaction_id);
  signalpost(whole[event], order);
  return true;
}

function purposes() {
  const made = table(data.purposes);
  let some = false;
  for (let name in made) {
    some = true;
    made[name] = made[name] === true || made[name] === 'true' || made[name] === 'granted';
  }
  return some ? made : undefined;
}

if (data.action === 'start') {
  start();
} else if (data.action === 'ecommerce') {
  if (ecommerce()) data.gtmOnSuccess();
  else data.gtmOnFailure();
} else {
  if (data.action === 'track') signalpost('track', data.eventType, table(data.properties));
  else if (data.action === 'page') signalpost('page', table(data.properties));
  else if (data.action === 'identify') signalpost('identify', data.customerId ? makeString(data.customerId) : undefined, table(data.traits));
  else if (data.action === 'consent') signalpost('consent', data.decision, purposes());
  else if (data.action === 'reset') signalpost('reset');
  data.gtmOnSuccess();
}


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {
        "publicId": "access_globals",
        "versionId": "1"
      },
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "signalpost"
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "signalpost.q"
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": false
                  }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "inject_script",
        "versionId": "1"
      },
      "param": [
        {
          "key": "urls",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 1,
                "string": "https://signalpost.example/js/signalpost.js"
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "access_consent",
        "versionId": "1"
      },
      "param": [
        {
          "key": "consentTypes",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "consentType"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "analytics_storage"
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": false
                  }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "read_data_layer",
        "versionId": "1"
      },
      "param": [
        {
          "key": "allowedKeys",
          "value": {
            "type": 1,
            "string": "specific"
          }
        },
        {
          "key": "keyPatterns",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 1,
                "string": "event"
              },
              {
                "type": 1,
                "string": "ecommerce"
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "logging",
        "versionId": "1"
      },
      "param": [
        {
          "key": "environments",
          "value": {
            "type": 1,
            "string": "debug"
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  }
]


___TESTS___

scenarios:
- name: Starting hands on the settings and loads the script
  code: |-
    runCode(settings);
    assertThat(calls.length).isEqualTo(1);
    assertThat(calls[0][0]).isEqualTo('init');
    assertThat(calls[0][1]).isEqualTo({
      key: 'write-key', consent: 'granted', remember: true, gpc: 'drop', dnt: 'flag', auto: ['page_view', 'scroll'], hash: false,
      cookieDomain: 'shop.example', cookieDays: 30, cookiePrefix: 'sp_'
    });
    assertThat(loaded).isEqualTo(['https://signalpost.example/js/signalpost.js']);
    assertApi('gtmOnSuccess').wasCalled();
    assertApi('addConsentListener').wasNotCalled();
- name: Consent Mode decides, now and later
  code: |-
    let listener;
    mock('isConsentGranted', (type) => type !== 'analytics_storage');
    mock('addConsentListener', (type, callback) => {
      assertThat(type).isEqualTo('analytics_storage');
      listener = callback;
    });
    settings.consentMode = 'consent_mode';
    runCode(settings);
    assertThat(calls[0][1].consent).isEqualTo('pending');
    assertThat(calls[0][1].remember).isEqualTo(false);
    listener('analytics_storage', true);
    listener('analytics_storage', false);
    assertThat(calls[1]).isEqualTo(['consent', 'granted']);
    assertThat(calls[2]).isEqualTo(['consent', 'denied']);
- name: Waiting for a decision stores and sends nothing
  code: |-
    settings.consentMode = 'pending';
    runCode(settings);
    assertThat(calls[0][1].consent).isEqualTo('pending');
- name: A script that may not be loaded is a failure that says so
  code: |-
    mock('queryPermission', false);
    runCode(settings);
    assertThat(calls.length).isEqualTo(0);
    assertApi('logToConsole').wasCalled();
    assertApi('injectScript').wasNotCalled();
    assertApi('gtmOnFailure').wasCalled();
    assertApi('gtmOnSuccess').wasNotCalled();
- name: A script that does not load is a failure
  code: |-
    mock('injectScript', (url, onSuccess, onFailure) => {
      onFailure();
    });
    runCode(settings);
    assertApi('gtmOnFailure').wasCalled();
- name: An event has its properties
  code: |-
    runCode({ action: 'track', eventType: 'signup', properties: [{ name: 'plan', value: 'pro' }] });
    assertThat(calls).isEqualTo([['track', 'signup', { plan: 'pro' }]]);
    assertApi('gtmOnSuccess').wasCalled();
- name: A page view needs no properties
  code: |-
    runCode({ action: 'page' });
    assertThat(calls).isEqualTo([['page', {}]]);
- name: A visitor is named, or only described
  code: |-
    runCode({ action: 'identify', customerId: 42, traits: [{ name: 'email', value: 'jane@example.com' }] });
    runCode({ action: 'identify', customerId: '', traits: [{ name: 'plan', value: 'pro' }] });
    assertThat(calls).isEqualTo([['identify', '42', { email: 'jane@example.com' }], ['identify', undefined, { plan: 'pro' }]]);
- name: A decision has its purposes
  code: |-
    runCode({ action: 'consent', decision: 'granted', purposes: [{ name: 'marketing', value: 'false' }, { name: 'analytics', value: 'true' }] });
    runCode({ action: 'consent', decision: 'denied' });
    assertThat(calls).isEqualTo([['consent', 'granted', { marketing: false, analytics: true }], ['consent', 'denied', undefined]]);
- name: Signing out forgets the visitor
  code: |-
    runCode({ action: 'reset' });
    assertThat(calls).isEqualTo([['reset']]);
- name: A product of the data layer is put into the cart
  code: |-
    layer = { event: 'add_to_cart', ecommerce: { currency: 'EUR', items: [{ item_id: 7, item_name: 'Mug', item_category: 'Kitchen', price: 9.5, quantity: 2 }] } };
    runCode({ action: 'ecommerce' });
    assertThat(calls).isEqualTo([['addToCart', {
      item_id: 7, item_name: 'Mug', item_category: 'Kitchen', price: 9.5, quantity: 2,
      product_id: '7', name: 'Mug', category: 'Kitchen', currency: 'EUR'
    }]]);
- name: An order of the data layer is a purchase
  code: |-
    layer = { event: 'purchase', ecommerce: { transaction_id: 1001, value: 19, tax: 3, shipping: 0, currency: 'EUR', items: [{ item_id: 'A', price: 9.5, quantity: 2 }] } };
    runCode({ action: 'ecommerce' });
    assertThat(calls).isEqualTo([['purchase', {
      items: [{ item_id: 'A', price: 9.5, quantity: 2, product_id: 'A', currency: 'EUR' }],
      total: 19, currency: 'EUR', order_tax: 3, order_shipping: 0, order_id: '1001'
    }]]);
    assertApi('gtmOnSuccess').wasCalled();
- name: Another event of the data layer is a failure that says so
  code: |-
    layer = { event: 'gtm.click' };
    runCode({ action: 'ecommerce' });
    assertThat(calls).isEqualTo([]);
    assertApi('logToConsole').wasCalled();
    assertApi('gtmOnFailure').wasCalled();
setup: |-
  const calls = [];
  let layer = {};
  const loaded = [];
  mock('createArgumentsQueue', (name, queue) => {
    assertThat(name).isEqualTo('signalpost');
    assertThat(queue).isEqualTo('signalpost.q');
    return function() {
      const call = [];
      for (let i = 0; i < arguments.length; i++) call.push(arguments[i]);
      calls.push(call);
    };
  });
  mock('copyFromDataLayer', (key) => layer[key]);
  mock('injectScript', (url, onSuccess) => {
    loaded.push(url);
    onSuccess();
  });
  mock('queryPermission', true);
  const settings = {
    action: 'start', host: 'https://signalpost.example', key: 'write-key', consentMode: 'granted', gpc: 'drop', dnt: 'flag',
    autoPageView: true, autoClick: false, autoScroll: true, autoForm: false, hash: false,
    cookieDomain: 'shop.example', cookieDays: 30, cookiePrefix: ''
  };


___NOTES___

The server hands this file out with its own address in place of https://signalpost.example, which stands in the parameter "host" and in the permission to load scripts.
